"""Carries connections between a TCP port and a Unix socket, so that a network namespace of its own reaches the fake.

python relay.py PORT SOCKET: listens on the port of the loopback address.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any


def handler(connect: Callable[[], socket.socket]) -> type[socketserver.BaseRequestHandler]:
    """Return a handler that carries each connection on to what `connect` gives."""

    class Carry(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with connect() as other:
                back = threading.Thread(target=pump, args=(other, self.request), daemon=True)
                back.start()
                pump(self.request, other)
                back.join()

    return Carry


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class FromUnix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """From a Unix socket to a TCP port of this machine."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str, port: int) -> None:
        super().__init__(path, handler(lambda: socket.create_connection(("127.0.0.1", port))))


class FromPort(socketserver.ThreadingTCPServer):
    """From a TCP port to a Unix socket."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, path: str) -> None:
        def connect() -> socket.socket:
            made = socket.socket(socket.AF_UNIX)
            made.connect(path)
            return made

        super().__init__(("127.0.0.1", port), handler(connect))


def main(arguments: list[Any]) -> None:
    FromPort(int(arguments[0]), arguments[1]).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
