"""The front process: one event loop that owns the sockets, hands requests to workers and sends their answers."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httptools

from . import channel, log
from .access import AccessLog
from .cors import cors_headers
from .errors import HostError, PortTaken
from .http import CONTINUE, LINGER, MAX_HEAD, MAX_PIPELINE, Connection, Incoming, Outgoing
from .identity import read_ids
from .keys import Keys
from .metrics import Metrics
from .pool import Child, Pool
from .settings import Settings
from .worker import ANSWER, FAILED, READY

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
TICK = 0.1
GRACE = 1.0
"""Seconds that a worker gets beyond the scoring timeout to stop ``run()`` itself."""
HEALTH = (b"/", b"/livez", b"/readyz")


class Pending:
    """A request that a worker has to answer."""

    __slots__ = ("connection", "incoming", "number", "sent")

    def __init__(self, number: int, connection: Connection, incoming: Incoming) -> None:
        self.number = number
        self.connection = connection
        self.incoming = incoming
        self.sent = 0.0


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


class Front:
    """The service.

    Parameters
    ----------
    settings : Settings
        What to serve, and where.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys(settings.keys_file) if settings.keys_file is not None else None
        self.selector = selectors.DefaultSelector()
        self.metrics = Metrics()
        self.access = AccessLog(enabled=settings.access_log)
        self.listeners: dict[str, socket.socket] = {"score": listen(settings.host, settings.port)}
        for name, port in (("health", settings.health_port), ("metrics", settings.metrics_port)):
            if port is not None:
                self.listeners[name] = listen(settings.host, port)
        self.ports = {name: each.getsockname()[1] for name, each in self.listeners.items()}
        self.pool = Pool(settings, (settings.host, self.ports["score"]), self._close_in_child)
        self.connections: set[Connection] = set()
        self.pending: dict[int, Pending] = {}
        self.backlog: deque[Pending] = deque()
        self.queue_full = False
        self.held_bytes = 0
        self.number = 0
        self.newest = 0
        self.announced = False
        self.draining = 0.0
        self.status: int | None = None
        self.paused = False
        self.suspects = False
        self.began = time.monotonic()
        self.buffer = bytearray(256 * 1024)
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    # ---- life -------------------------------------------------------------------------------------------------
    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit status."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self.selector.register(self._wake_read, READ, self._woken)
        for name, listener in self.listeners.items():
            self.selector.register(listener, READ, self._acceptor(name))
        for index in range(self.settings.workers):
            self._start_worker(index)
        swept = 0.0
        try:
            while self.status is None:
                for key, events in self.selector.select(TICK):
                    key.data(events)
                now = time.monotonic()
                if now - swept >= TICK:
                    swept = now
                    self._sweep(now)
                self.access.flush()
        finally:
            self._end()
        return self.status if self.status is not None else 1

    def _told_to_stop(self, number: int, _frame: Any) -> None:
        if self.draining:
            self.status = 130 if number == signal.SIGINT else 0  # told twice: do not wait
        else:
            self.draining = time.monotonic() + self.settings.drain_timeout
            self.stop_signal = number

    def _woken(self, _events: int) -> None:
        try:
            while self._wake_read.recv(4096):
                pass
        except BlockingIOError:
            pass
        self._reap()
        if self.draining:
            self._begin_drain()

    def _begin_drain(self) -> None:
        """Take what already waits to be accepted, then no more; end idle connections."""
        for name in list(self.listeners):
            self._acceptor(name)(READ)
            listener = self.listeners.pop(name)
            if not self.paused or name != "score":
                self.selector.unregister(listener)
            listener.close()
            log.line("info", "stopped_listening", port=self.ports[name])
        for connection in list(self.connections):
            self._read(connection, READ)  # what has arrived is served

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)
        self.access.flush()
        for child in self.pool.children.values():
            if self.pool.slots.get(child.index)[0]:
                self.pool.kill(child)  # still scoring after the patience was over
        self.pool.stop(2.0 if self.status in (0, None) else 0.2)
        log.line("info", "stopped", exit_code=self.status)

    def _close_in_child(self) -> None:
        self.selector.close()
        self._wake_read.close()
        self._wake_write.close()
        for listener in self.listeners.values():
            listener.close()
        for connection in self.connections:
            connection.sock.close()

    # ---- workers ----------------------------------------------------------------------------------------------
    def _start_worker(self, index: int) -> None:
        child = self.pool.start(index)
        self.selector.register(child.answers, READ, lambda _events: self._answers(child))

    def _answers(self, child: Child) -> bool:
        """Take one message from a worker; whether there was one."""
        try:
            fields, descriptor = channel.receive(child.answers)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return False
        if not fields:
            return False
        kind = fields[0]
        if kind == ANSWER:
            _, number, status, head, body, request_id = fields
            content: bytes | memoryview = body if descriptor < 0 else memoryview(channel.view(descriptor, body))
            self.newest = max(self.newest, number)
            pending = self.pending.pop(number, None)
            if pending is not None:
                self._finish(pending.connection, pending.incoming, status, head, content, request_id)
        elif kind == READY:
            child.ready, child.facts, child.ready_at = True, fields[2], time.monotonic()
            self.pool.failures = 0
            log.line("info", "worker_ready", worker_pid=child.pid, **child.facts)
            if not self.announced and self.pool.ready == self.settings.workers:
                self._announce(child)
        elif kind == FAILED and not self.announced:
            log.line("error", "start_failed", message=fields[2], exit_code=fields[3])
            self.status = int(fields[3])
        return True

    def _announce(self, child: Child) -> None:
        self.announced = True
        document = {
            "event": "ready",
            "port": self.ports["score"],
            "pid": os.getpid(),
            "url": f"http://{self.settings.host}:{self.ports['score']}/score",
            "workers": self.settings.workers,
            "health_port": self.ports.get("health"),
            "metrics_port": self.ports.get("metrics"),
            "startup_ms": round((time.monotonic() - self.began) * 1000, 1),
            **child.facts,
        }
        try:
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        except OSError:
            pass  # nobody reads it; the service is up all the same

    def _reap(self) -> None:
        for child in self.pool.reap():
            while self._answers(child):
                pass
            self.selector.unregister(child.answers)
            child.answers.close()
            lost, _since = self.pool.slots.get(child.index)
            cause = f"signal {-child.exit}" if child.exit and child.exit < 0 else f"exit code {child.exit}"
            if self.status is not None:
                continue
            if not self.announced and not child.ready:
                log.line("error", "start_failed", message=f"a worker ended before it was ready: {cause}", exit_code=3)
                self.status = 3
                continue
            if not (self.draining and child.exit == 0):
                log.line("error", "worker_died", worker_pid=child.pid, cause=cause, request=lost or None)
            pending = self.pending.pop(lost, None) if lost else None
            if pending is not None:
                message = f"The worker process that was scoring this request ended ({cause}). Check the logs."
                self._reply(pending.connection, pending.incoming, 500, message, failed=True)
            self.suspects = True
            self.metrics.restarts += 1
            self.pool.replace(child)

    # ---- accepting and reading --------------------------------------------------------------------------------
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

    # ---- deciding ---------------------------------------------------------------------------------------------
    def _admit(self, request: Incoming) -> tuple[int, str] | None:
        """Whether a request may send its body."""
        # Everything but these exact paths needs a key: "//score" or "/%73core" is no way around it.
        if request.path in HEALTH or self._preflight(request):
            return None
        guarded = self.keys is not None and request.path != b"/swagger.json"
        if guarded and self.keys is not None and not self.keys.allows(request.lookup.get(b"authorization", b"")):
            return 401, "A valid key is required: send the header 'Authorization: Bearer <key>'"
        if self.pool.broken or not self.announced:
            return 503, "The model is not loaded yet. Try again."
        if len(self.pending) >= self.settings.max_queue:
            return 503, "Too many requests are waiting. Try again."
        if self.held_bytes + max(request.length, 0) > self.settings.max_queued_bytes:
            return 503, "The requests in progress hold too much memory. Try again."
        return None

    def _preflight(self, request: Incoming) -> bool:
        """A browser's question before a cross-origin request. It carries no key, so no entry script gets to see it."""
        asked = request.method == "OPTIONS" and b"access-control-request-method" in request.lookup
        return asked and self.keys is not None and bool(self.settings.cors_origins)

    def _admit_side(self, request: Incoming) -> tuple[int, str] | None:
        """The health and metrics ports take nothing with a body."""
        return (413, "This port takes no bodies") if request.length > 0 or request.chunked else None

    def _serve(self, connection: Connection) -> None:
        """Take requests that are whole, until one needs a worker."""
        while connection.ready and connection.serving is None and not connection.closing:
            request = connection.ready.popleft()
            connection.serving = request
            if request.refusal is not None:
                status, message = request.refusal
                extra: tuple[str, ...] = ()
                if status == 401:
                    extra = ('WWW-Authenticate: Bearer realm="scoring"',)
                elif status == 503:
                    extra = ("Retry-After: 1",)
                self._reply(connection, request, status, message, extra=extra)
            elif connection.side == "metrics":
                self._serve_metrics(connection, request)
            elif request.path in HEALTH or connection.side == "health":
                self._serve_health(connection, request)
            elif self._preflight(request):
                self._reply(connection, request, 200, b"", extra=self._cors(request))
            else:
                self.number += 1
                pending = Pending(self.number, connection, request)
                self.pending[self.number] = pending
                self.held_bytes += request.size
                self._send(pending)

    def _serve_health(self, connection: Connection, request: Incoming) -> None:
        version = self.settings.server_version
        extra: tuple[str, ...] = (f"x-ms-server-version: {version}",) if version else ()
        extra += self._cors(request)
        problem = read_ids(request.header).problem
        if problem:
            self._reply(connection, request, 431, problem, extra=extra)
            return
        if request.path not in HEALTH:
            self._reply(connection, request, 404, "Not found", extra=extra)
        elif request.method not in ("GET", "HEAD"):
            if request.method == "OPTIONS":
                extra += ("Allow: GET, HEAD, OPTIONS",)
                self._reply(connection, request, 200, b"", extra=extra)
            else:
                message = "The method is not allowed for the requested URL."
                self._reply(connection, request, 405, message, extra=(*extra, "Allow: GET, HEAD, OPTIONS"))
        elif request.path == b"/livez":
            self._reply(connection, request, 200, {"status": "alive"}, extra=extra)
        else:
            ready = self.announced and self.pool.ready > 0 and not self.draining
            if request.path == b"/readyz":
                document = {"status": "ready" if ready else "not ready", "workers": self.pool.ready}
                self._reply(connection, request, 200 if ready else 503, document, extra=extra)
            elif ready or self.draining:
                self._reply(connection, request, 200, b"Healthy", extra=extra)
            else:
                self._reply(connection, request, 503, "The model is not loaded yet. Try again.", extra=extra)

    def _cors(self, request: Incoming) -> tuple[str, ...]:
        if not self.settings.cors_origins:
            return ()
        asked = [request.header(f"access-control-request-{name}") for name in ("method", "headers")]
        pairs = cors_headers(self.settings.cors_origins, request.header("origin"), request.method, *asked)
        return tuple(f"{name}: {value}" for name, value in pairs)

    def _serve_metrics(self, connection: Connection, request: Incoming) -> None:
        if request.path != b"/metrics" or request.method != "GET":
            self._reply(connection, request, 404, "Only GET /metrics is served here")
            return
        body = self.metrics.text(len(self.pending), len(self.backlog), len(self.connections), self.pool.ready)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %d"
        self._finish(connection, request, 200, head % len(body), body, "")

    # ---- to the workers and back ------------------------------------------------------------------------------
    def _send(self, pending: Pending) -> None:
        if self.queue_full or not self._try_send(pending):
            self.backlog.append(pending)
            if not self.queue_full:
                self.queue_full = True
                self.selector.register(self.pool.queue, WRITE, lambda _events: self._send_backlog())

    def _try_send(self, pending: Pending) -> bool:
        request = pending.incoming
        body: bytes | int = request.body if request.descriptor < 0 else request.size
        fields = (
            pending.number,
            request.method,
            request.target,
            request.headers,
            body,
            pending.connection.peer,
            "http",
        )
        try:
            channel.send(self.pool.queue, fields, request.descriptor)
        except OSError:  # no room: EAGAIN or ENOBUFS
            return False
        pending.sent = time.monotonic()
        return True

    def _send_backlog(self) -> None:
        while self.backlog:
            pending = self.backlog[0]
            if pending.connection.closed:
                self.pending.pop(pending.number, None)
                self._release(pending.incoming)
            elif not self._try_send(pending):
                return
            self.backlog.popleft()
        self.selector.unregister(self.pool.queue)
        self.queue_full = False

    def _release(self, request: Incoming) -> None:
        self.held_bytes -= request.size
        request.release()

    def _reply(
        self,
        connection: Connection,
        request: Incoming,
        status: int,
        message: Any,
        *,
        failed: bool = False,
        extra: tuple[str, ...] = (),
    ) -> None:
        """An answer that the front gives itself."""
        head, body, request_id = Outgoing.build(request, status, message, failed=failed, extra=extra)
        self._finish(connection, request, status, head, body, request_id)

    def _finish(
        self,
        connection: Connection,
        request: Incoming,
        status: int,
        head: bytes,
        body: bytes | memoryview,
        request_id: str,
    ) -> None:
        if request.body or request.descriptor >= 0:
            self._release(request)
        seconds = time.monotonic() - request.started
        path = request.path if request.path in (b"/score", b"/swagger.json", *HEALTH) else b"other"
        self.metrics.observe(path, status, seconds)
        if connection.side == "score" and request.path not in HEALTH:
            self.access.add(request, status, len(body), seconds, request_id, connection)
        if connection.closed:
            return
        connection.finish(request, head, body, close=bool(self.draining))
        connection.serving = None
        self._write(connection)
        if connection.ready and not connection.closed:
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

    # ---- time -------------------------------------------------------------------------------------------------
    def _sweep(self, now: float) -> None:
        for index in self.pool.due():
            if not self.draining:
                self._start_worker(index)
        self._sweep_connections(now)
        self._sweep_scoring(now)
        if self.pool.broken:
            while self.pending:
                _, pending = self.pending.popitem()
                message = "No worker can be started. Check the logs."
                self._reply(pending.connection, pending.incoming, 503, message, extra=("Retry-After: 10",))
        if self.draining and self.status is None:
            idle = not self.pending and all(not c.out and c.serving is None for c in self.connections)
            if idle or now > self.draining:
                if not idle:
                    log.line("warning", "drain_timeout", unanswered=len(self.pending))
                self.status = 0

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

    def _sweep_scoring(self, now: float) -> None:
        """End workers that are beyond their time, also those that no signal reaches."""
        limit = min(self.settings.scoring_timeout_ms / 1000 + GRACE, self.settings.worker_timeout)
        for child in list(self.pool.children.values()):
            number, since = self.pool.slots.get(child.index)
            if not child.ready or not number or now - since <= limit:
                continue
            pending = self.pending.pop(number, None)
            if pending is None:
                continue
            milliseconds = min(self.settings.scoring_timeout_ms, round(self.settings.worker_timeout * 1000))
            log.line("error", "worker_hung", worker_pid=child.pid, seconds=round(now - since, 3))
            self.pool.kill(child)
            message = f"Scoring timeout after {milliseconds} ms"
            self._reply(pending.connection, pending.incoming, 500, message, failed=True)
        if self.suspects and self.pool.ready:
            self._send_again(now)

    def _send_again(self, now: float) -> None:
        """A worker may die between taking a request and noting its id: such a request was never begun."""
        busy = {self.pool.slots.get(child.index)[0] for child in self.pool.children.values()}
        # Requests are taken in order; and a worker that has been idle for a while has found the queue empty.
        idle = any(child.idle_since(self.pool.slots) < now - GRACE for child in self.pool.children.values())
        newest = max(*busy, self.newest)
        sent = [p for p in self.pending.values() if p.sent]
        lost = [p for p in sent if p.number not in busy and now - p.sent > GRACE and (idle or p.number < newest)]
        for pending in lost:
            pending.sent = 0.0
            del self.pending[pending.number]
            self.number += 1
            pending.number = self.number
            self.pending[self.number] = pending
            self._send(pending)
        if not sent:
            self.suspects = False


__all__ = ["Front", "HostError", "listen"]
