"""HTTP/1.1 on one connection: bytes in, requests out; limits and refusals; answers written in order."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import httptools

from . import channel
from .identity import read_ids

MAX_TARGET = 8 * 1024
MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
MAX_PIPELINE = 32
LINGER = 2.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_date: tuple[int, bytes] = (0, b"")


def date_line() -> bytes:
    """The ``Date`` header of this second."""
    global _date
    second = int(time.time())
    if second != _date[0]:
        _date = (second, b"\r\nDate: " + formatdate(second, usegmt=True).encode())
    return _date[1]


class Incoming:
    """One request as it arrives."""

    __slots__ = (
        "body",
        "chunked",
        "descriptor",
        "expects",
        "head_size",
        "headers",
        "keep_alive",
        "length",
        "lookup",
        "method",
        "parts",
        "path",
        "refusal",
        "size",
        "started",
        "target",
        "version",
    )

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.path = b""
        self.version = "1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.lookup: dict[bytes, bytes] = {}
        self.head_size = 0
        self.length = -1
        self.chunked = False
        self.expects = False
        self.keep_alive = True
        self.parts: list[bytes] = []
        self.size = 0
        self.descriptor = -1
        self.body = b""
        self.refusal: tuple[int, str] | None = None
        self.started = time.monotonic()

    def header(self, name: str, default: str = "") -> str:
        """A header's value as text; the name in lower case."""
        value = self.lookup.get(name.encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def release(self) -> None:
        """Let go of the body."""
        self.parts = []
        self.body = b""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Outgoing:
    """Builds an answer that the front gives itself."""

    @staticmethod
    def build(
        request: Incoming | None, status: int, message: Any, *, failed: bool = False, extra: tuple[str, ...] = ()
    ) -> tuple[bytes, bytes, str]:
        """Head (without the blank line), body and request id.

        `message` is the text of an error; a ``bytes`` value is a text/html body and a dict a JSON body.
        """
        kind = "application/json"
        if isinstance(message, bytes):
            body, kind = message, "text/html; charset=utf-8"
        else:
            body = json.dumps(message if isinstance(message, dict) else {"message": message}).encode()
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {kind}"]
        if kind == "application/json":
            lines.append(f"x-ms-run-function-failed: {failed}")
        lines += extra
        request_id = ""
        if request is not None:
            ids = read_ids(request.header)
            request_id = ids.request
            if ids.request:
                lines.append(f"x-request-id: {ids.request}")
            if ids.legacy:
                lines.append(f"x-ms-request-id: {ids.legacy}")
            if ids.client:
                lines.append(f"x-ms-client-request-id: {ids.client}")
            if b"traceid" in request.lookup:
                lines.append(f"TraceId: {request.header('traceid')}")
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1", "replace"), body, request_id


class Connection:
    """A client's connection; httptools calls the ``on_*`` methods.

    Parameters
    ----------
    sock : socket.socket
        Non-blocking.
    peer : str
        The client's address, for the log.
    max_body : int
        Largest body, bytes.
    admit : callable
        Asked when a request's head is complete; gives ``(status, message)`` to refuse it before its body.
    """

    def __init__(
        self, sock: socket.socket, peer: str, max_body: int, admit: Callable[[Incoming], tuple[int, str] | None]
    ) -> None:
        self.sock = sock
        self.peer = peer
        self.max_body = max_body
        self.admit = admit
        self.parser = httptools.HttpRequestParser(self)
        self.reading: Incoming | None = None
        self.head_done = False
        self.ready: deque[Incoming] = deque()
        self.serving: Incoming | None = None
        self.out: deque[memoryview] = deque()
        self.closing = False
        self.ended = False
        self.lingering = False
        self.closed = False
        self.events = 0
        self.since = time.monotonic()
        self.wrote = self.since
        self.interim = False
        self.side = "score"
        self.unparsed = 0

    # ---- callbacks of the parser ------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """A request starts."""
        self.reading = Incoming()
        self.head_done = False
        self.since = time.monotonic()

    def on_url(self, url: bytes) -> None:
        """The request target, or a part of it."""
        request = self.reading
        assert request is not None  # noqa: S101
        request.target += url
        if len(request.target) > MAX_TARGET:
            request.refusal = (414, f"The request target is longer than {MAX_TARGET} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        request = self.reading
        assert request is not None  # noqa: S101
        request.head_size += len(name) + len(value)
        if request.head_size > MAX_HEAD or len(request.headers) >= MAX_HEADERS:
            request.refusal = (431, f"The headers exceed {MAX_HEAD} bytes or {MAX_HEADERS} fields")
            return
        lowered = name.lower()
        request.headers.append((name, value))
        request.lookup[lowered] = value
        if lowered == b"content-length":
            request.length = int(value)
        elif lowered == b"transfer-encoding":
            request.chunked = True
        elif lowered == b"expect":
            request.expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """The head is complete: refuse now what should not send its body."""
        request = self.reading
        assert request is not None  # noqa: S101
        self.head_done = True
        request.method = self.parser.get_method().decode("latin-1")
        request.version = self.parser.get_http_version()
        request.keep_alive = self.parser.should_keep_alive()
        target = request.target
        if target[:1] != b"/" and target[:4].lower() == b"http":
            url = httptools.parse_url(target)
            target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
            request.target = target
        request.path = target.partition(b"?")[0]
        if request.refusal is None and request.length > self.max_body:
            request.refusal = (413, f"The body exceeds {self.max_body} bytes")
        if request.refusal is None:
            request.refusal = self.admit(request)
        if request.refusal is None and request.expects and request.version == "1.1" and request.length != 0:
            self.interim = True

    def on_body(self, data: bytes) -> None:
        """A part of the body; a large one goes to memory that is not this process's heap."""
        request = self.reading
        assert request is not None  # noqa: S101
        if request.refusal is not None:
            return
        request.size += len(data)
        if request.size > self.max_body:
            request.refusal = (413, f"The body exceeds {self.max_body} bytes")
            request.release()
            return
        if request.descriptor >= 0:
            _write(request.descriptor, data)
            return
        request.parts.append(data)
        if request.size > channel.INLINE or len(request.parts) > 4096:
            request.descriptor = channel.anonymous_file()
            for part in request.parts:
                _write(request.descriptor, part)
            request.parts = []

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self.reading
        assert request is not None  # noqa: S101
        if request.descriptor < 0:
            request.body = request.parts[0] if len(request.parts) == 1 else b"".join(request.parts)
            request.parts = []
        self.reading = None
        self.ready.append(request)

    # ---- writing ----------------------------------------------------------------------------------------------
    def finish(self, request: Incoming, head: bytes, body: bytes | memoryview, *, close: bool) -> None:
        """Queue the answer to `request`; `close` ends the connection after it."""
        close = close or not request.keep_alive
        tail = b"\r\nConnection: close\r\n\r\n" if close else b"\r\n\r\n"
        if not close and request.version == "1.0":
            tail = b"\r\nConnection: keep-alive\r\n\r\n"
        start = head + date_line() + tail
        if request.method == "HEAD":
            body = b""
        if len(body) <= channel.INLINE:
            self.out.append(memoryview(start + body))
        else:
            self.out.append(memoryview(start))
            self.out.append(memoryview(body))
        self.closing = self.closing or close

    def flush(self) -> bool:
        """Write what can be written; whether all of it went out. Raises ``OSError`` when the client is gone."""
        out = self.out
        while out:
            part = out[0]
            try:
                sent = self.sock.send(part)
            except (BlockingIOError, InterruptedError):
                return False
            self.wrote = time.monotonic()
            if sent < len(part):
                out[0] = part[sent:]
                return False
            out.popleft()
        return True


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
