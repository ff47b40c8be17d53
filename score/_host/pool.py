"""The worker processes as the front sees them: fork, watch, replace, stop."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from . import channel, log
from .settings import Settings
from .worker import Worker

GIVE_UP = 5
"""Workers that fail to start in a row before waiting requests are refused."""


@dataclass
class Child:
    """One worker process."""

    index: int
    pid: int
    answers: socket.socket
    ready: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    exit: int | None = None
    ready_at: float = 0.0

    def idle_since(self, slots: channel.Slots) -> float:
        """When this worker began to wait for a request; infinity while it has one, or is not ready."""
        number, since = slots.get(self.index)
        return max(since, self.ready_at) if self.ready and not number else math.inf


class Pool:
    """Keeps `settings.workers` processes running.

    Parameters
    ----------
    settings : Settings
        The host's settings.
    address : tuple of str and int
        Where the service listens.
    on_fork : callable
        Called in the child: close what belongs to the front.
    """

    def __init__(self, settings: Settings, address: tuple[str, int], on_fork: Callable[[], None]) -> None:
        self.settings = settings
        self.address = address
        self.on_fork = on_fork
        self.queue, self._worker_end = channel.pair()
        self.queue.setblocking(False)
        self.slots = channel.Slots(settings.workers)
        self.children: dict[int, Child] = {}
        self.failures = 0
        self.restarts = 0
        self._again: dict[int, float] = {}
        self._lifeline_read, self._lifeline_write = os.pipe()

    def start(self, index: int) -> Child:
        """Fork the worker of slot `index`."""
        front_end, worker_end = channel.pair()
        self.slots.set(index, 0)
        pid = os.fork()
        if pid == 0:
            self._child(index, worker_end, front_end)
        worker_end.close()
        front_end.setblocking(False)
        child = Child(index, pid, front_end)
        self.children[pid] = child
        self._again.pop(index, None)
        return child

    def _child(self, index: int, worker_end: socket.socket, front_end: socket.socket) -> NoReturn:
        status = 3
        log.after_fork()
        try:
            signal.set_wakeup_fd(-1)
            os.close(self._lifeline_write)
            front_end.close()
            self.queue.close()
            for child in self.children.values():
                child.answers.close()
            self.on_fork()
            worker = Worker(
                self.settings, index, self._worker_end, worker_end, self.slots, self._lifeline_read, self.address
            )
            status = worker.run()
            _run_exit_handlers()
        except BaseException as error:
            log.line("error", "worker_failed", message=repr(error))
        finally:
            sys.stdout.flush()
            log.close()
            os._exit(status)

    def reap(self) -> list[Child]:
        """The workers that ended since the last call, with `exit` set (negative: the signal)."""
        ended = []
        for pid in list(self.children):
            try:
                found, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                found, status = pid, 0
            if found:
                child = self.children.pop(pid)
                child.exit = os.waitstatus_to_exitcode(status)
                ended.append(child)
        return ended

    def replace(self, child: Child) -> None:
        """Plan a new worker for the slot of `child`; failures in a row wait longer and longer, up to 10 s."""
        self.restarts += 1
        self.failures = 0 if child.ready else self.failures + 1
        wait = 0.0 if child.ready else min(10.0, 0.25 * 2 ** min(self.failures, 6))
        if child.ready and time.monotonic() - child.started < 1.0:
            wait = 0.25
        self._again[child.index] = time.monotonic() + wait

    def due(self) -> list[int]:
        """Slots whose new worker should start now."""
        now = time.monotonic()
        return [index for index, at in self._again.items() if at <= now]

    @property
    def ready(self) -> int:
        """Workers that can score."""
        return sum(child.ready for child in self.children.values())

    @property
    def broken(self) -> bool:
        """Whether workers keep failing to start."""
        return self.failures >= GIVE_UP and not self.ready

    def on_request(self, number: int) -> Child | None:
        """The worker that is on this request."""
        return next((child for child in self.children.values() if self.slots.get(child.index)[0] == number), None)

    def kill(self, child: Child) -> None:
        """End a worker at once."""
        try:
            os.kill(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def stop(self, patience: float) -> None:
        """Ask all workers to end, wait, then end them."""
        deadline = time.monotonic() + patience
        asked = 0
        while self.children and time.monotonic() < deadline:
            if asked < len(self.children):
                try:
                    self.queue.send(b"")
                    asked += 1
                except OSError:
                    pass
            if self.reap():
                asked = 0
            time.sleep(0.005)
        for child in list(self.children.values()):
            self.kill(child)
        while self.children:
            self.reap()
            time.sleep(0.005)


def _run_exit_handlers() -> None:
    """Run the ``atexit`` functions of the entry script: ``os._exit`` would skip them."""
    import atexit

    atexit._run_exitfuncs()
