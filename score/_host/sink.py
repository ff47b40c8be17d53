"""Standard error, written without ever waiting long for the program that reads it.

A log is often read through a pipe (Docker, systemd, ``2>&1 | tee``), and a reader that stalls fills it: 64 kB later, a
plain ``write`` waits for ever. Here the front process never waits: what the pipe does not take is kept, up to a limit,
and lines beyond it are dropped and counted.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import threading
import time
from collections import deque

STDERR = 2
ATOMIC = 4096
"""Bytes; POSIX lets a write of up to PIPE_BUF (4096 on Linux) into a pipe happen as a whole or not at all."""


def _own(descriptor: int) -> int:
    """A descriptor to write to that does not wait for a reader, where there can be one.

    ``O_NONBLOCK`` belongs to the open file, which other processes may share (the terminal, say), so a pipe or terminal
    is opened a second time where the system can do that.
    """
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(descriptor))):
        return descriptor
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass  # no /proc, or the pipe belongs to another user
    if stat.S_ISFIFO(mode):
        os.set_blocking(descriptor, False)
    return descriptor


class Sink:
    """Takes whole log lines.

    Parameters
    ----------
    descriptor : int
        Where they go.
    limit : int
        Bytes that are kept while nobody reads.
    patience : float
        Seconds that one write may wait, once: until the reader takes something, later writes do not wait again.
    """

    def __init__(self, descriptor: int = STDERR, limit: int = 1 << 20, patience: float = 0.0) -> None:
        self.limit = limit
        self.patience = patience
        self.dropped = 0
        """Lines that were dropped since the start."""
        self.untold = 0
        """Of these, the lines that the log does not tell of yet."""
        self.waiting: deque[bytes] = deque()
        self.size = 0
        self._stalled = False
        self._lock = threading.RLock()
        self._socket: socket.socket | None = None
        self._pipe = False
        try:
            self._descriptor = _own(descriptor)
            self._pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                self._socket = socket.socket(fileno=os.dup(descriptor))
        except OSError:  # closed
            self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write lines, or keep them, or drop them; errors (a full disk) never reach the caller."""
        with self._lock:
            if not self.waiting and (len(data) <= ATOMIC or not self._pipe):
                rest = self._put(data)
                if not rest:
                    return
                self._keep(rest)
            else:
                for part in self._parts(data):
                    self._keep(part)
            self.pump()

    def pump(self, patience: float | None = None) -> bool:
        """Write what is kept, waiting at most `patience` seconds; whether all of it is written."""
        with self._lock:
            seconds = patience
            if seconds is None:
                seconds = 0.0 if self._stalled else self.patience
            deadline = time.monotonic() + seconds
            while self.waiting:
                part = self.waiting.popleft()
                rest = self._put(part)
                self.size -= len(part) - len(rest)
                if not rest:
                    continue
                self.waiting.appendleft(rest)
                left = deadline - time.monotonic()
                if left <= 0 or not self._writable(left):
                    self._stalled = True
                    self._shorten()
                    return False
            self._stalled = False
            return True

    def fileno(self) -> int:
        """What to wait for when lines are kept back."""
        return self._descriptor if self._socket is None else self._socket.fileno()

    @property
    def flows(self) -> bool:
        """Whether nothing is kept back."""
        return not self.waiting

    def _parts(self, data: bytes) -> list[bytes]:
        """Whole lines in parts that a pipe takes as a whole, so that processes do not write into each other's lines."""
        parts, part = [], b""
        for each in data.splitlines(keepends=True):
            if part and len(part) + len(each) > ATOMIC:
                parts.append(part)
                part = b""
            part += each
        return [*parts, part]

    def _keep(self, part: bytes) -> None:
        self.waiting.append(part)
        self.size += len(part)

    def _shorten(self) -> None:
        """Drop the newest parts beyond the limit: the oldest tell how the trouble began. One may be half written."""
        while self.size > self.limit and len(self.waiting) > 1:
            part = self.waiting.pop()
            self.size -= len(part)
            self.dropped += part.count(b"\n")
            self.untold += part.count(b"\n")

    def _writable(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLOUT)
        return bool(poll.poll(seconds * 1000))

    def _put(self, data: bytes) -> bytes:
        """Write; what was not taken."""
        view = memoryview(data)
        try:
            if self._socket is not None:
                return bytes(view[self._socket.send(view, socket.MSG_DONTWAIT) :])
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BlockingIOError:
            return bytes(view)
        except OSError:
            pass  # nobody will ever read it
        return b""
