"""The whole way through both doors, alone and side by side, leaving no process, port or folder behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.journey import journey

pytestmark = [pytest.mark.azure, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
JOURNEY = Path(__file__).with_name("journey.py")


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes whose temporary folder is `folder`, whoever their parent is by now (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_the_whole_way(azure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps: list[str] = []
    journey("a", tmp_path, steps.append)
    assert steps[-1] == "cleaned up"
    assert azure.state.background.children() == []
    assert azure.state.bugs == []


def test_side_by_side_in_one_workspace(azure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a", "b", "c"]
    for name in names:
        (tmp_path / name).mkdir()
    parsing = threading.RLock()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: journey(name, tmp_path / name, parsing=parsing), names))
    assert azure.state.background.children() == []
    assert azure.state.bugs == []


def test_as_an_unmodified_program(tmp_path: Path) -> None:
    """One prefix, ``python -m fakes run --``, and nothing is left when it ends."""
    temporary, place = tmp_path / "tmp", tmp_path / "place"
    temporary.mkdir()
    command = [sys.executable, "-m", "fakes", "run", "--", sys.executable, str(JOURNEY), "a", str(place)]
    env = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "cleaned up" in done.stdout
    assert processes_of(temporary) == []
    assert [p.name for p in temporary.iterdir() if p.name.startswith(("fakes", "fd-"))] == []


def test_a_reset_in_the_middle_ends_what_runs(azure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reached = threading.Event()

    def mark(step: str) -> None:
        if step == "first prediction":
            reached.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journey("a", tmp_path, mark)
    assert azure.state.background.children()
    azure.reset()
    assert azure.state.background.children() == []
