"""OpenTelemetry: one server span a request, sent by OTLP/HTTP from the front process, when that is configured.

The packages are no part of the scoring set. Nothing of them is imported unless an endpoint is set; their own variables
(``OTEL_*``) say where spans go, how many, and under which service name:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/. Names of attributes follow the semantic conventions:
https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from . import __version__, log
from .http import Connection, Incoming
from .settings import Settings

PACKAGES = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SUPPORTED = "http/protobuf"
STOP_SECONDS = 3.0
"""How long the end of the service waits for the last spans to be sent."""
SERVER_ERROR = 500


class SpanIds(NamedTuple):
    """What the access log says about a span; hexadecimal."""

    trace: str
    span: str


def configured(env: Mapping[str, str] | None = None) -> bool:
    """Whether spans are wanted: an endpoint is set, and nothing says not to use it."""
    env = os.environ if env is None else env
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if env.get("OTEL_TRACES_EXPORTER", "otlp").strip() not in ("", "otlp"):
        return False
    return any(env.get(name, "").strip() for name in ENDPOINTS)


class Telemetry:
    """Makes spans of answered requests.

    Parameters
    ----------
    settings : Settings
        The host's settings; the service's name is used unless ``OTEL_SERVICE_NAME`` is set.

    Raises
    ------
    ImportError
        A package is missing.
    """

    def __init__(self, settings: Settings) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._settings = settings
        self._trace = trace
        self._parent = TraceContextTextMapPropagator()
        self._exporter = OTLPSpanExporter()
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        attributes = {"service.version": settings.service_version}
        if not named:
            attributes["service.name"] = settings.service_name
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("mlops-score", __version__)
        self._running = False
        logger = logging.getLogger("opentelemetry")  # what the exporter says goes to the log as JSON, too
        logger.handlers[:] = [log.Handler()]
        logger.propagate = False

    def start(self) -> None:
        """Begin to send. It takes a thread, so the workers are forked first."""
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._running = True

    def record(
        self, request: Incoming, status: int, size: int, seconds: float, request_id: str, connection: Connection
    ) -> SpanIds | None:
        """The span of one answered request; its ids, ``None`` before :meth:`start`."""
        if not self._running:
            return None
        lookup = request.lookup
        carrier = {
            name: lookup[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in lookup
        }
        end = time.time_ns()
        known = request.path in (b"/score", b"/swagger.json")
        path = request.path.decode("latin-1")
        attributes: dict[str, Any] = {
            "http.request.method": request.method,
            "http.response.status_code": status,
            "http.request.body.size": max(request.size, 0),
            "http.response.body.size": size,
            "url.scheme": "http",
            "url.path": path,  # never the query: it may hold data
            "client.address": connection.peer,
            "network.protocol.version": request.version,
            "mlops.request_id": request_id,
        }
        if known:
            attributes["http.route"] = path
        if status >= SERVER_ERROR:
            attributes["error.type"] = str(status)
        span = self._tracer.start_span(
            f"{request.method} {path}" if known else request.method,
            context=self._parent.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=end - int(seconds * 1e9),
        )
        if status >= SERVER_ERROR:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end)
        ids = span.get_span_context()
        return SpanIds(f"{ids.trace_id:032x}", f"{ids.span_id:016x}")

    def stop(self) -> None:
        """Send what is left, if the collector takes it in time."""
        if self._running:
            sender = threading.Thread(target=self._provider.shutdown, daemon=True)
            sender.start()
            sender.join(STOP_SECONDS)
            self._running = False


def start(settings: Settings) -> Telemetry | None:
    """What the environment asks for; ``None``, with a line in the log if it is not possible."""
    if not configured():
        return None
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), SUPPORTED)
    if protocol != SUPPORTED:
        message = f"the OTLP protocol {protocol!r:.40} is not supported; no spans are sent"
        log.line("warning", "telemetry_unavailable", message=message, hint=f"set {PROTOCOLS[1]}={SUPPORTED}")
        return None
    try:
        telemetry = Telemetry(settings)
    except ImportError as error:
        message = f"an OTLP endpoint is set, but OpenTelemetry cannot be imported; no spans are sent: {error}"
        log.line("warning", "telemetry_unavailable", message=message, hint=f"pip install {PACKAGES}")
        return None
    except Exception as error:  # a wrong OTEL_ variable is no reason not to serve
        message = f"OpenTelemetry cannot be set up; no spans are sent: {error!r}"
        log.line("warning", "telemetry_unavailable", message=message, hint="check the OTEL_ variables")
        return None
    log.line("info", "telemetry", exporter="otlp", protocol=SUPPORTED)
    return telemetry
