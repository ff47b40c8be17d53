"""Whether somebody holds a lock can be seen by anybody, and by several at once."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from deploy.local.files import is_locked, try_lock


def test_who_looks_at_a_lock_needs_no_right_to_write_and_is_not_taken_for_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.lock"
    assert not is_locked(path)
    assert not path.exists()
    held = try_lock(path)
    assert held is not None
    assert is_locked(path)
    assert try_lock(path) is None
    held.close()
    with path.open() as other:  # somebody else looks at this moment
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not is_locked(path)
    modes = []
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", **rest: (modes.append(mode), opened(self, mode, **rest))[1]
    )
    assert not is_locked(path)
    assert modes == ["r"]
