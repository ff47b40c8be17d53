"""Request bodies as the server reads them: by length, or chunked (RFC 9112)."""

from __future__ import annotations

import io
import re
from email.message import Message
from typing import Any, Protocol

_MAX_LINE = 8192


class Stream(Protocol):
    """What is needed of a connection."""

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes, fewer at the end."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return a line of at most `size` bytes."""


class BadBody(ValueError):
    """The framing of a request body is wrong."""


class Body(io.RawIOBase):
    """A stream that ends where the body ends."""

    length: int | None = None

    @property
    def exhausted(self) -> bool:
        """Whether everything was read."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (all of them when negative); b"" at the end."""
        if size is None or size < 0:
            parts = []
            while part := self._some(65536):
                parts.append(part)
            return b"".join(parts)
        return self._some(size)

    def readinto(self, buffer: Any) -> int:
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        raise NotImplementedError


class _Sized(Body):
    def __init__(self, stream: Stream, length: int) -> None:
        self._stream, self._left, self.length = stream, length, length

    @property
    def exhausted(self) -> bool:
        return self._left == 0

    def _some(self, size: int) -> bytes:
        if not self._left:
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise ConnectionResetError("the client ended the connection in the middle of a body")
        self._left -= len(data)
        return data


class _Chunked(Body):
    def __init__(self, stream: Stream) -> None:
        self._stream, self._left, self._done = stream, 0, False

    @property
    def exhausted(self) -> bool:
        return self._done

    def _some(self, size: int) -> bytes:
        if self._done:
            return b""
        if not self._left:
            self._left = self._next_size()
            if not self._left:
                while self._line():
                    pass  # trailers
                self._done = True
                return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise ConnectionResetError("the client ended the connection in the middle of a body")
        self._left -= len(data)
        if not self._left and self._line():
            raise ConnectionResetError("a chunk is longer than it says")
        return data

    def _next_size(self) -> int:
        text = self._line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", text):
            raise ConnectionResetError(f"{text[:20]!r} is no chunk size")
        return int(text, 16)

    def _line(self) -> bytes:
        line = self._stream.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the client ended the connection in the middle of a body")
        return line.rstrip(b"\r\n")


def body_of(headers: Message, stream: Stream) -> Body:
    """Return the body that follows `headers` in `stream`.

    Raises
    ------
    BadBody
        Length and transfer coding contradict each other, or are not understood.
    """
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    lengths = set(headers.get_all("Content-Length") or [])
    if coding:
        if lengths:
            raise BadBody("A request must not have both Content-Length and Transfer-Encoding.")
        if coding != "chunked":
            raise BadBody(f"Transfer-Encoding '{coding}' is not supported.")
        return _Chunked(stream)
    if not lengths:
        return _Sized(stream, 0)
    length = lengths.pop()
    if lengths or not re.fullmatch(r"\d{1,18}", length):
        raise BadBody("Content-Length must be one number.")
    return _Sized(stream, int(length))
