"""A small development gateway: one stable address in front of the revisions of one service.

A program: ``python -m deploy.local.gateway --folder DIR --fd N``. It listens on the socket that it inherits, follows
``DIR/service.json``, holds ``DIR/gateway.lock`` while it lives, and ends when the service is gone. Forwarding is
Werkzeug's proxy middleware. In production the cloud has this part (Azure's own front end), so it stays plain:
HTTP/1.1, one thread a request, loopback only.
"""

from __future__ import annotations

import argparse
import hmac
import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from deploy.local.routing import REVISION_HEADER, STATUS_PATH, Router

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DRAIN_SECONDS = 30.0


class Gateway(ProxyMiddleware):
    """The WSGI application."""

    def __init__(self, router: Router, service: str, token: str, *, timeout: int = 300) -> None:
        super().__init__(_nothing, {}, timeout=timeout)
        self.service = service
        self.router = router
        self.token = token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == STATUS_PATH:
            return self.status(environ)(environ, start_response)
        begin = time.perf_counter()
        upstream = self.router.enter(environ.get("HTTP_AZUREML_MODEL_DEPLOYMENT"))
        if upstream is None:
            message = "no revision of this service is running"
            return _problem(503, message, {"retry-after": "1"})(environ, start_response)
        target = f"http://127.0.0.1:{upstream.port}"
        options: dict[str, Any] = {
            "target": target,
            "host": None,
            "headers": {},
            "remove_prefix": False,
            "ssl_context": None,
        }
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def hold(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return lambda data: None

        try:
            body = self.proxy_to(options, path, "/")(environ, hold)
        except BaseException:
            self.router.leave(upstream, 502, begin)
            raise
        status, headers = begun[-1]
        code = int(status.split()[0])
        if code == 502 and not any(name.lower() == "x-model-digest" for name, _ in headers):
            self.router.leave(upstream, code, begin)
            message = f"revision {upstream.id} does not answer; mlops services start {self.service}"
            return _problem(502, message, {REVISION_HEADER: upstream.id})(environ, start_response)
        kept = [(name, value) for name, value in headers if name.lower() not in ("server", "date")]
        start_response(status, [*kept, (REVISION_HEADER, upstream.id)])
        return ClosingIterator(body, lambda: self.router.leave(upstream, code, begin))

    def status(self, environ: WSGIEnvironment) -> Response:
        """The counts (GET) or a new beginning for them (DELETE), for whoever knows the token."""
        given = environ.get("HTTP_X_MLOPS_GATEWAY_TOKEN", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return _problem(404, "not found")
        if environ["REQUEST_METHOD"] == "DELETE":
            self.router.reset()
        return Response(json.dumps(self.router.document()), mimetype="application/json")


class Handler(WSGIRequestHandler):
    """Writes no line a request: the hosts log their requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""


def _nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise AssertionError("every request is forwarded")


def _problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps({"error": {"message": message}}), status, headers, mimetype="application/json")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, or until the service's folder is gone."""
    parser = argparse.ArgumentParser(prog="gateway")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True, help="socket that listens")
    options = parser.parse_args(arguments)
    token = json.loads((options.folder / "gateway.json").read_text(encoding="utf-8"))["token"]
    document = options.folder / "service.json"
    gateway = Gateway(Router(document), options.folder.name, token)
    listening = socket.socket(fileno=options.fd)
    host, port = listening.getsockname()[:2]
    server = make_server(host, port, gateway, threaded=True, fd=listening.fileno(), request_handler=Handler)

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    def watch() -> None:
        while document.exists():
            time.sleep(1)
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is not meant for it
    threading.Thread(target=watch, daemon=True).start()
    server.serve_forever()
    listening.close()
    server.socket.close()
    deadline = time.monotonic() + DRAIN_SECONDS
    while gateway.router.in_flight() and time.monotonic() < deadline:
        time.sleep(0.01)
    return 0


if __name__ == "__main__":
    sys.exit(main())
