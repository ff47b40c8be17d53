"""Connections: accepting, reading, writing, closing, and their time limits."""

from __future__ import annotations

import selectors
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from http import HTTPStatus

import httptools

from . import log
from .errors import PortTaken
from .http import CONTINUE, LINGER, MAX_HEAD, MAX_PIPELINE, Connection, Incoming
from .settings import Settings

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def listen(host: str, port: int) -> socket.socket:
    """A non-blocking listening socket. Raises :class:`PortTaken`."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        raise PortTaken(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            "choose another --port or --host, or stop the program that uses it (--port 0 takes any free port)",
        ) from None
    listener.setblocking(False)
    return listener


class Connections(ABC):
    """The sockets of the front process.

    Parameters
    ----------
    settings : Settings
        Addresses and limits.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.selector = selectors.DefaultSelector()
        self.listeners: dict[str, socket.socket] = {"score": listen(settings.host, settings.port)}
        for name, port in (("health", settings.health_port), ("metrics", settings.metrics_port)):
            if port is not None:
                self.listeners[name] = listen(settings.host, port)
        self.ports = {name: each.getsockname()[1] for name, each in self.listeners.items()}
        self.connections: set[Connection] = set()
        self.paused = False
        self.draining = 0.0
        self.buffer = bytearray(256 * 1024)

    @abstractmethod
    def _admit(self, request: Incoming) -> tuple[int, str] | None:
        """Whether a request may send its body: the status and message that refuse it, or ``None``."""

    @abstractmethod
    def _admit_side(self, request: Incoming) -> tuple[int, str] | None:
        """The same on the health and metrics ports."""

    @abstractmethod
    def _serve(self, connection: Connection) -> None:
        """Answer the requests of a connection that are whole."""

    def _acceptor(self, name: str) -> Callable[[int], None]:
        listener = self.listeners[name]

        def accept(_events: int) -> None:
            for _ in range(64):
                try:
                    sock, address = listener.accept()
                except (BlockingIOError, InterruptedError):
                    return
                except OSError as error:  # out of descriptors: what is open goes on
                    log.line("error", "accept_failed", message=str(error))
                    return
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                admit = self._admit if name == "score" else self._admit_side
                connection = Connection(sock, str(address[0]), self.settings.max_body, admit)
                connection.side = name
                self.connections.add(connection)
                connection.events = READ
                self.selector.register(sock, READ, lambda events, c=connection: self._on_socket(c, events))
                if name == "score" and len(self.connections) >= self.settings.max_connections:
                    self.selector.unregister(listener)
                    self.paused = True
                    return

        return accept

    def _on_socket(self, connection: Connection, events: int) -> None:
        if events & WRITE:
            self._write(connection)
        if events & READ and not connection.closed:
            self._read(connection, events)

    def _watch(self, connection: Connection) -> None:
        """Tell the selector what this connection waits for."""
        wanted = 0
        if not connection.ended and len(connection.ready) < MAX_PIPELINE:
            wanted |= READ
        if connection.out:
            wanted |= WRITE
        if wanted == connection.events or connection.closed:
            return
        callback = lambda events, c=connection: self._on_socket(c, events)  # noqa: E731
        if not connection.events:
            self.selector.register(connection.sock, wanted, callback)
        elif not wanted:
            self.selector.unregister(connection.sock)
        else:
            self.selector.modify(connection.sock, wanted, callback)
        connection.events = wanted

    def _read(self, connection: Connection, _events: int) -> None:
        try:
            count = connection.sock.recv_into(self.buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection)
            return
        if not count:
            connection.ended = True
            if connection.lingering or (connection.serving is None and not connection.out):
                self._close(connection)
            else:
                self._watch(connection)
            return
        if connection.lingering:
            return
        try:
            connection.parser.feed_data(memoryview(self.buffer)[:count])
        except httptools.HttpParserUpgrade:
            if connection.ready:
                connection.ready[-1].keep_alive = False
        except httptools.HttpParserError as error:
            self._malformed(connection, error)
            return
        reading = connection.reading
        if reading is not None and not connection.head_done:
            connection.unparsed += count
            if connection.unparsed > 2 * MAX_HEAD and reading.refusal is None:
                reading.refusal = (431, f"The request's head exceeds {MAX_HEAD} bytes")
        else:
            connection.unparsed = 0
        if reading is not None and reading.refusal is not None:
            # Refuse without waiting for the rest of the head or body.
            connection.reading = None
            reading.keep_alive = False
            reading.release()
            connection.ready.append(reading)
        if connection.interim:
            connection.interim = False
            if connection.serving is None and reading is not None:
                connection.out.append(memoryview(CONTINUE))
                self._write(connection)
        if connection.ready and connection.serving is None:
            self._serve(connection)
        if not connection.closed:
            self._watch(connection)

    def _malformed(self, connection: Connection, error: Exception) -> None:
        request = connection.reading or Incoming()
        connection.reading = None
        request.keep_alive = False
        refusal = request.refusal or (400, f"The request is not valid HTTP: {error}")
        request.refusal = refusal
        request.release()
        connection.ready.append(request)
        if connection.serving is None:
            self._serve(connection)
        if not connection.closed:
            self._watch(connection)

    def _write(self, connection: Connection) -> None:
        try:
            done = connection.flush()
        except OSError:
            self._close(connection)
            return
        if done:
            connection.since = time.monotonic()
            if connection.closing and connection.serving is None:
                self._linger(connection)
                return
            if connection.ended and connection.serving is None and not connection.ready:
                self._close(connection)
                return
        self._watch(connection)

    def _linger(self, connection: Connection) -> None:
        """Close so that the client can still read the answer, even if it has not sent everything yet."""
        if connection.ended:
            self._close(connection)
            return
        if not connection.lingering:
            connection.lingering = True
            connection.since = time.monotonic()
            try:
                connection.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self._close(connection)
                return
            self._watch(connection)

    def _close(self, connection: Connection) -> None:
        if connection.closed:
            return
        connection.closed = True
        if connection.events:
            self.selector.unregister(connection.sock)
        connection.sock.close()
        self.connections.discard(connection)
        if connection.reading is not None:
            connection.reading.release()
        for request in connection.ready:
            request.release()
        if self.paused and "score" in self.listeners and len(self.connections) < self.settings.max_connections:
            self.paused = False
            self.selector.register(self.listeners["score"], READ, self._acceptor("score"))

    def _sweep_connections(self, now: float) -> None:
        limits = self.settings
        for connection in list(self.connections):
            waited = now - connection.since
            if connection.lingering:
                if waited > LINGER:
                    self._close(connection)
            elif connection.out:
                if now - connection.wrote > limits.body_timeout:
                    self._close(connection)  # the client does not read its answer
            elif connection.serving is not None:
                continue
            elif connection.reading is not None:
                limit = limits.body_timeout if connection.head_done else limits.header_timeout
                if waited > limit:
                    request, connection.reading = connection.reading, None
                    request.refusal = (HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time")
                    request.keep_alive = False
                    request.release()
                    connection.ready.append(request)
                    self._serve(connection)
            elif waited > limits.idle_timeout or (self.draining and not connection.ready):
                self._close(connection)
