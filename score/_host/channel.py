"""How the front process and its workers pass requests and answers.

One datagram socket pair carries requests: every worker reads the same end, so the kernel hands each request to a
worker that is free. Each worker answers on a pair of its own. A message is one ``marshal`` tuple (both ends are the
same Python: workers are forked); a body larger than :data:`INLINE` travels as an open file descriptor of memory that
has no name. A worker writes the id of what it is scoring into shared memory, so that its death loses only that one.
"""

from __future__ import annotations

import marshal
import mmap
import os
import socket
import struct
import tempfile
import time
from typing import Any, NamedTuple

INLINE = 60_000
"""Bytes of body that fit in a message; well below the smallest default socket buffer."""
RECEIVE = 256 * 1024
MAX_HEAD = 100_000
"""Bytes of an answer's head: with its request id repeated it fits in a message. Few clients take as much."""
_SLOT = struct.Struct("=Qd")


class Message(NamedTuple):
    """One request for a worker."""

    id: int
    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | mmap.mmap
    peer: str
    scheme: str


def anonymous_file() -> int:
    """A descriptor of memory (Linux), or of a file that is already unlinked."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("scoring-body", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected datagram sockets with room for the messages."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (left, right):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    return left, right


def send(end: socket.socket, fields: tuple[Any, ...], descriptor: int = -1) -> None:
    """Send one message. Raises ``BlockingIOError`` when there is no room (non-blocking ends)."""
    data = marshal.dumps(fields)
    if descriptor < 0:
        end.send(data)
    else:
        socket.send_fds(end, [data], [descriptor])


def receive(end: socket.socket) -> tuple[tuple[Any, ...], int]:
    """The next message and the descriptor that came with it (-1: none). Raises ``OSError``, also for no message."""
    data, ancillary, _flags, _address = end.recvmsg(RECEIVE, 64)
    descriptor = -1
    for _level, _type, payload in ancillary:
        descriptor = struct.unpack_from("=i", payload)[0]
    try:
        return marshal.loads(data) if data else (), descriptor  # noqa: S302 - from our own processes only
    except (EOFError, ValueError, TypeError) as error:
        raise OSError(f"what came through the channel is no message: {error}") from error


def view(descriptor: int, size: int) -> mmap.mmap:
    """The content of an anonymous file, without a copy; closes the descriptor."""
    try:
        return mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)


class Slots:
    """Shared memory: which request each worker is on, and since when (``time.monotonic``)."""

    def __init__(self, count: int) -> None:
        self.memory = mmap.mmap(-1, max(1, count) * _SLOT.size)

    def set(self, index: int, request: int) -> None:
        """Say that worker `index` starts on `request`; 0: on none."""
        _SLOT.pack_into(self.memory, index * _SLOT.size, request, time.monotonic())

    def get(self, index: int) -> tuple[int, float]:
        """The request that worker `index` is on, and since when."""
        request, since = _SLOT.unpack_from(self.memory, index * _SLOT.size)
        return request, since
