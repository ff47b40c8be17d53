"""Small HTTP clients: one request, and raw bytes."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any

TIMEOUT = 60.0


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON; NaN and Infinity are refused."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} in a body")

        return json.loads(self.body, parse_constant=refuse)


class Pipelined:
    """Reads several answers from one connection: ``http.client`` alone would read ahead into the next."""

    def __init__(self, sock: socket.socket) -> None:
        self.file = sock.makefile("rb")
        self.close, self.file.close = self.file.close, lambda: None  # type: ignore[method-assign]

    def makefile(self, _mode: str) -> Any:
        """What ``HTTPResponse`` asks a socket for."""
        return self.file


def read_answer(sock: Any, method: str = "POST") -> Answer:
    """Read one answer from a socket or a :class:`Pipelined`."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def connect(port: int) -> socket.socket:
    """A connection to the host."""
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)


def raw(port: int, data: bytes, method: str = "POST") -> Answer:
    """Send bytes as they are; read one answer."""
    with connect(port) as sock:
        sock.sendall(data)
        return read_answer(sock, method)


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """One request; `body` is sent as JSON unless it is bytes. Underscores in header names become dashes."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json", "Connection": "close", "Content-Length": str(len(data))}
    given.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in given.items())]
    return raw(port, "\r\n".join(lines).encode() + b"\r\n\r\n" + data, method)


def score(port: int, body: Any, **headers: str) -> Answer:
    """POST /score."""
    return call(port, "POST", "/score", body, **headers)
