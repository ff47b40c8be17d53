"""Work outside the state lock: threads and child processes that end with the state they belong to."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Callable
from typing import Any

_ALL: weakref.WeakSet[Background] = weakref.WeakSet()


class Background:
    """Threads and child process groups of one state.

    A thread must look at `stopping` (or wait for it) and end soon after it is set. Children are started in a process
    group of their own and killed as a group.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._children: set[subprocess.Popen[Any]] = set()
        self.stopping = threading.Event()
        self._owner = os.getpid()
        _ALL.add(self)

    def run(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run `work` in a daemon thread."""

        def body() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=body, name=f"fakes-{name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return thread

    def spawn(self, args: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a child process in a process group of its own (options as for `subprocess.Popen`)."""
        if self.stopping.is_set():
            raise RuntimeError("the fake is being reset: no process is started any more")
        child = subprocess.Popen(args, start_new_session=True, **options)
        with self._lock:
            self._children = {c for c in self._children if c.poll() is None}
            self._children.add(child)
        if self.stopping.is_set():
            kill_group(child)
        return child

    def children(self) -> list[subprocess.Popen[Any]]:
        """Return the children that still run."""
        with self._lock:
            return [child for child in self._children if child.poll() is None]

    def stop(self, timeout: float = 5.0) -> None:
        """Kill every child group and wait for the threads (not for the calling one)."""
        self.stopping.set()
        with self._lock:
            children, threads = list(self._children), list(self._threads)
            self._children.clear()
        for child in children:
            kill_group(child)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(timeout)


def kill_group(child: subprocess.Popen[Any]) -> None:
    """Kill a child and everything it started, and collect it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with contextlib.suppress(OSError, ValueError):
                stream.close()


@atexit.register
def _stop_all() -> None:
    for background in list(_ALL):
        if background._owner == os.getpid():  # a forked child must not kill what its parent started
            background.stop(timeout=0.5)
