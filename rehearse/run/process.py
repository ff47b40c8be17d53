"""Run a script in a clean shell, line by line, in a process group of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TIMED_OUT = 124


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    line: Callable[[str], None],
    timeout: float,
) -> int:
    """Run `command` with exactly `env`; give each line of stdout and stderr to `line`; return the exit code.

    Ends the whole process group when `timeout` seconds have passed (124), or when this process is interrupted.
    """
    process = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101
    lines: queue.Queue[bytes | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None  # noqa: S101
        for content in process.stdout:
            lines.put(content)
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    deadline = time.monotonic() + timeout
    finished = False
    try:
        # A service that the step leaves behind may hold the pipe open: the step ends when its own process does.
        while True:
            try:
                content = lines.get(timeout=0.1)
            except queue.Empty:
                if process.poll() is not None:
                    finished = True
                    return process.returncode
                if time.monotonic() > deadline:
                    return TIMED_OUT
                continue
            if content is None:
                code = process.wait(max(deadline - time.monotonic(), 0.1))
                finished = True
                return code
            line(content.decode(errors="replace").rstrip("\r\n"))
            if time.monotonic() > deadline:
                return TIMED_OUT
    except subprocess.TimeoutExpired:
        return TIMED_OUT
    finally:
        if not finished:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Jobs that a shell started in the background ignore the interrupt, and outlive it: they are killed in any case.
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
