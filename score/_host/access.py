"""The access log: one JSON line a request, with ids and durations, without query, body or key."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

from . import log
from .http import Connection, Incoming
from .identity import trace_of
from .telemetry import SpanIds

try:
    import orjson

    def _dumps(document: dict[str, Any]) -> bytes:
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
except ImportError:  # the host runs without it, slower

    def _dumps(document: dict[str, Any]) -> bytes:
        return json.dumps(document).encode("utf-8", "backslashreplace") + b"\n"


class AccessLog:
    """Collects lines and writes them once per turn of the event loop."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.lines: list[bytes] = []
        self._second = 0
        self._prefix = ""

    def add(
        self,
        request: Incoming,
        status: int,
        size: int,
        seconds: float,
        request_id: str,
        connection: Connection,
        span: SpanIds | None = None,
    ) -> None:
        """Note one answered request."""
        if not self.enabled:
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        document: dict[str, Any] = {
            "time": f"{self._prefix}.{int((now - second) * 1000):03d}Z",
            "level": "info",
            "event": "request",
            "method": request.method,
            "path": request.path.decode("latin-1"),
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes_in": request.size,
            "bytes_out": size,
            "peer": connection.peer,
            "request_id": request_id,
        }
        lookup = request.lookup
        client = lookup.get(b"x-ms-client-request-id")
        if client is not None:
            document["client_request_id"] = client.decode("latin-1")[:100]
        parent = lookup.get(b"traceparent")
        if parent is not None:
            trace = trace_of(parent.decode("latin-1"))
            if trace is not None:
                document["trace_id"], document["parent_span_id"] = trace
        if span is not None:
            document["trace_id"], document["span_id"] = span
        if connection.closed:
            document["client_gone"] = True
        self.lines.append(_dumps(document))

    def flush(self) -> None:
        """Write what was noted."""
        if self.lines:
            data = b"".join(self.lines)
            self.lines.clear()
            log.write(data)
        else:
            log.pump()
