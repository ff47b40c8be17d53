"""One child process: started in a group of its own, its output handed on as it comes, ended as a group."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fakes.core.background import Background
from fakes.core.warden import warden

CHUNK = 65536
GRACE = 3.0
TICK = 0.2


class ChildCanceled(Exception):
    """The process was ended because somebody canceled it."""


def run_child(
    background: Background,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Callable[[bytes], None],
    cancel: threading.Event,
    timeout: float | None = None,
) -> int:
    """Run a program to its end and give its exit code.

    Parameters
    ----------
    output
        Called with what the program writes (standard output and error together), as it comes.
    cancel
        When set, the whole process group is asked to end, and killed if it does not within a few seconds.
    timeout
        Seconds after which it is ended like a canceled one.

    Raises
    ------
    ChildCanceled
        `cancel` was set, or the state ended.
    TimeoutError
        It ran longer than `timeout`.
    FileNotFoundError
        There is no such program.
    """
    child = background.spawn(
        list(argv), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    warden.add(child.pid)
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        with _Pump(child, output) as pump:
            while child.poll() is None:
                pump.turn(TICK)
                if cancel.is_set() or background.stopping.is_set():
                    raise ChildCanceled
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(f"the run took longer than {timeout} seconds")
            pump.drain()
        return int(child.returncode)
    finally:
        end_group(child)
        warden.remove(child.pid)


class _Pump:
    """Moves what is written to a pipe; never waits for its end, which a grandchild may hold open."""

    def __init__(self, child: subprocess.Popen[bytes], output: Callable[[bytes], None]) -> None:
        if child.stdout is None:
            raise ValueError("the child was started without a pipe")
        self._pipe = child.stdout
        self._output = output
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> _Pump:
        os.set_blocking(self._pipe.fileno(), False)
        self._selector.register(self._pipe, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def turn(self, wait: float) -> bool:
        """Wait for output and hand it on; gives whether there was any."""
        if not self._selector.get_map():
            time.sleep(min(wait, 0.02))
            return False
        if not self._selector.select(wait):
            return False
        data = self._read()
        if data == b"":
            self._selector.unregister(self._pipe)
        elif data:
            self._output(data)
        return bool(data)

    def drain(self) -> None:
        """Hand on what is still in the pipe."""
        while self._selector.get_map() and self.turn(0):
            pass

    def _read(self) -> bytes | None:
        try:
            return os.read(self._pipe.fileno(), CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return b""


def end_group(child: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """End a process and everything it started: politely first, when it still runs."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace)
    if child.stdout is not None:
        child.stdout.close()
