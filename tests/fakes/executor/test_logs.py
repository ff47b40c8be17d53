"""The log of a job while it goes on."""

from __future__ import annotations

import threading

import pytest

from fakes.executor import logs
from fakes.executor.jobs import JobGone


def test_a_log_of_a_job_that_is_gone_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.001)
    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    asked = threading.Event()

    def gone(data: bytes) -> None:
        asked.set()
        raise JobGone

    with pytest.raises(JobGone), logs.Log(gone) as log:
        log.write(b"text")
        assert asked.wait(30)
        log._thread.join(30)
        log.write(b"more")
    assert failed == []
