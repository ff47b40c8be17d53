"""OpenTelemetry: sent when configured, missed politely, never imported when not."""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.score.client import call, score
from tests.score.hosts import Host, host, wait_for

pytestmark = pytest.mark.slow

SCRIPT = """
import json, os, signal, sys
def init(): pass
def run(data):
    order = json.loads(data)
    if order == "modules": return sorted(name for name in sys.modules if name.startswith("opentelemetry"))
    if order == "die": os.kill(os.getpid(), signal.SIGKILL)
    if order == "fail": raise ValueError("no")
    return order
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENTS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
HAS_PACKAGES = all(importlib.util.find_spec(name) for name in ("opentelemetry", "google")) and bool(
    importlib.util.find_spec("opentelemetry.exporter")
)
needs_packages = pytest.mark.skipif(not HAS_PACKAGES, reason="the OpenTelemetry packages are not installed")
NOT_SET = {name: "" for name in os.environ if name.startswith("OTEL_")}


class Collector:
    """Takes OTLP over HTTP on loopback, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collector.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[tuple[Any, dict[str, Any], dict[str, Any]]]:
        """Each span with its attributes and those of its resource."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = values(resource.resource.attributes)
                for scope in resource.scope_spans:
                    found += [(span, values(span.attributes), about) for span in scope.spans]
        return found


def values(attributes: Any) -> dict[str, Any]:
    """Protobuf attributes as a dict."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join(10)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(SCRIPT)
    return tmp_path


def start(root: Path, **env: str) -> Any:
    return host("--root", str(root), env={**NOT_SET, "OTEL_BSP_SCHEDULE_DELAY": "100", "NO_PROXY": "*", **env})


def requests_in(running: Host) -> dict[str, dict[str, Any]]:
    return {line["request_id"]: line for line in running.events("request")}


@needs_packages
def test_one_server_span_a_request_below_the_client_s(root: Path, collector: Collector) -> None:
    with start(root, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, SERVICE_NAME="risk") as running:
        assert score(running.port, "hello", x_request_id="one", **PARENTS).status == 200
        assert score(running.port, "fail", x_request_id="two").status == 500
        assert (
            call(running.port, "GET", "/secret?data=42", x_request_id="three", Authorization="Bearer k3y").status == 404
        )
        assert score(running.port, "die", x_request_id="four").status == 500
        assert call(running.port, "GET", "/readyz").status in (200, 503)  # probes make no spans
        assert score(running.port, "again", x_request_id="five").status == 200
        wait_for(lambda: len(collector.spans()) >= 5, "five spans")
        lines = wait_for(lambda: len(requests_in(running)) >= 5 and requests_in(running), "five lines in the log")
    spans = {attributes["mlops.request_id"]: (span, attributes) for span, attributes, _ in collector.spans()}
    assert len(collector.spans()) == len(spans) == 5
    assert {about["service.name"] for *_, about in collector.spans()} == {"risk"}

    span, attributes = spans["one"]
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "vendor=1")
    assert (span.name, span.kind, span.status.code) == ("POST /score", 2, 0)
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.route"] == attributes["url.path"] == "/score"
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    assert lines["one"]["span_id"] == span.span_id.hex()

    span, attributes = spans["two"]
    assert not span.parent_span_id
    assert (span.status.code, attributes["error.type"]) == (2, "500")
    assert (lines["two"]["trace_id"], lines["two"]["span_id"]) == (span.trace_id.hex(), span.span_id.hex())

    span, attributes = spans["three"]
    assert (span.name, span.status.code, attributes["url.path"]) == ("GET", 0, "/secret")
    assert "http.route" not in attributes
    assert spans["four"][1]["error.type"] == "500"
    everything = b"".join(collector.bodies)
    assert b"k3y" not in everything
    assert b"private" not in everything


@needs_packages
def test_client_that_is_not_sampled_is_not_sent(root: Path, collector: Collector) -> None:
    with start(root, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces") as running:
        score(running.port, "no", x_request_id="no", traceparent=f"00-{TRACE}-{PARENT}-00")
        score(running.port, "yes", x_request_id="yes", traceparent="garbage")
        wait_for(collector.spans, "a span")
    assert [attributes["mlops.request_id"] for _, attributes, _ in collector.spans()] == ["yes"]


@needs_packages
def test_spans_are_sent_before_the_end(root: Path, collector: Collector) -> None:
    with start(root, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="600000") as running:
        assert score(running.port, 1).status == 200
        assert running.stop() == 0
    assert len(collector.spans()) == 1


@needs_packages
def test_collector_that_is_away_harms_nothing(root: Path, collector: Collector) -> None:
    collector.server.shutdown()
    collector.server.server_close()  # its port refuses now
    with start(root, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as running:
        for i in range(20):
            assert score(running.port, i).json() == i
        assert running.stop() == 0
        assert all(isinstance(line, dict) for line in running.logs())  # the exporter's complaints are JSON lines, too


def fake_packages(folder: Path, text: str) -> str:
    """A package ``opentelemetry`` that is found first; the value for PYTHONPATH."""
    package = folder / "path" / "opentelemetry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    return str(package.parent)


def test_is_never_imported_when_not_configured(root: Path) -> None:
    mark = root / "imported"
    path = fake_packages(root, f"open({str(mark)!r}, 'w').close()\nraise ImportError('not here')")
    with start(root, PYTHONPATH=path) as running:
        assert score(running.port, "modules", **PARENTS).json() == []
        assert running.stop() == 0
        assert not running.events("telemetry_unavailable")
    assert not mark.exists()
    with start(root, PYTHONPATH=path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as running:
        assert score(running.port, 1).json() == 1
    assert mark.exists()  # the check above would have seen it


@pytest.mark.parametrize("variable", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_is_not_imported_when_disabled(root: Path, variable: dict[str, str]) -> None:
    with start(root, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", **variable) as running:
        assert score(running.port, "modules").json() == []


@pytest.mark.parametrize(
    ("variables", "said", "hint"),
    [
        ({"PYTHONPATH": "fake"}, "OpenTelemetry cannot be imported", "pip install opentelemetry-sdk"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc' is not supported", "http/protobuf"),
    ],
)
def test_says_why_nothing_is_sent(root: Path, variables: dict[str, str], said: str, hint: str) -> None:
    if "PYTHONPATH" in variables:
        variables = {"PYTHONPATH": fake_packages(root, "raise ModuleNotFoundError('No module named opentelemetry')")}
    with start(root, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", **variables) as running:
        assert score(running.port, 1).json() == 1
        (line,) = running.events("telemetry_unavailable")
        assert said in line["message"]
        assert hint in line["hint"]
        assert json.dumps(line)
