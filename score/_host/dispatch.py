"""Requests: who answers them, the way to the workers and back, and the time that a worker has."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from typing import Any

from . import channel, log, telemetry
from .access import AccessLog
from .connections import WRITE, Connections
from .cors import cors_headers
from .http import Connection, Incoming, Outgoing
from .identity import read_ids
from .keys import Keys
from .metrics import Metrics
from .pool import Pool
from .settings import Settings

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


class Dispatch(Connections):
    """Decides about requests.

    Parameters
    ----------
    settings : Settings
        The host's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.keys_file) if settings.keys_file is not None else None
        super().__init__(settings)
        self.metrics = Metrics()
        self.access = AccessLog(enabled=settings.access_log)
        self.telemetry = telemetry.start(settings)
        self.pool = Pool(settings, (settings.host, self.ports["score"]), self._close_in_child)
        self.pending: dict[int, Pending] = {}
        self.backlog: deque[Pending] = deque()
        self.queue_full = False
        self.held_bytes = 0
        self.number = 0
        self.newest = 0
        self.announced = False
        self.suspects = False

    @abstractmethod
    def _close_in_child(self) -> None:
        """Close, in a new worker, what belongs to the front."""

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
        counts = (len(self.pending), len(self.backlog), len(self.connections), self.pool.ready, log.sink.dropped)
        body = self.metrics.text(*counts)
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
            span = None
            if self.telemetry is not None:
                span = self.telemetry.record(request, status, len(body), seconds, request_id, connection)
            self.access.add(request, status, len(body), seconds, request_id, connection, span)
        if connection.closed:
            return
        connection.finish(request, head, body, close=bool(self.draining))
        connection.serving = None
        self._write(connection)
        if connection.ready and not connection.closed:
            self._serve(connection)
            if not connection.closed:
                self._watch(connection)

    # ---- time -------------------------------------------------------------------------------------------------
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
