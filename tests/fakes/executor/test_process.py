"""One child process: output, end, cancel, time."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from fakes.core.background import Background
from fakes.executor.process import ChildCanceled, run_child
from tests.fakes.jobs import alive, until


class Child:
    """Runs Python text as a child."""

    def __init__(self, folder: Path) -> None:
        self.background = Background()
        self.cancel = threading.Event()
        self.output = b""
        self._folder = folder

    def __call__(self, text: str, timeout: float | None = None) -> int:
        def take(data: bytes) -> None:
            self.output += data

        return run_child(
            self.background,
            [sys.executable, "-u", "-c", text],
            cwd=self._folder,
            env=dict(os.environ),
            output=take,
            cancel=self.cancel,
            timeout=timeout,
        )

    def said(self, text: str) -> bool:
        return text.encode() in self.output


@pytest.fixture
def child(tmp_path: Path) -> Child:
    made = Child(tmp_path)
    yield made  # type: ignore[misc]
    made.background.stop()


def test_output_and_exit_code(child: Child) -> None:
    assert child("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)") == 3
    assert child.said("out") and child.said("err")


def test_much_output_arrives_whole(child: Child) -> None:
    assert child("import sys; sys.stdout.write('x' * 3_000_000)") == 0
    assert len(child.output) == 3_000_000


def test_a_grandchild_that_keeps_the_pipe_open_holds_nothing_up(child: Child) -> None:
    text = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('pid', p.pid, flush=True)\n"
    )
    assert child(text) == 0
    pid = int(child.output.split()[1])
    until(lambda: not alive(pid), "the grandchild to be gone")


def test_cancel_ends_a_group_that_does_not_listen(child: Child) -> None:
    text = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('pid', os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    raised: list[BaseException] = []

    def work() -> None:
        try:
            child(text)
        except ChildCanceled as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: child.said("pid") and child.output.endswith(b"\n"), "the process to speak")
    child.cancel.set()
    thread.join(30)
    assert raised
    assert not alive(int(child.output.split()[1]))


def test_a_process_that_takes_too_long(child: Child) -> None:
    with pytest.raises(TimeoutError, match="longer than"):
        child("import time; time.sleep(600)", timeout=0.3)


def test_a_program_that_is_not_there(child: Child, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_child(
            child.background, ["/no/such/program"], cwd=tmp_path, env={}, output=lambda _: None, cancel=child.cancel
        )
