"""The mocked engine's API on a Unix socket, as ``dockerd`` serves it.

Operations and shapes: https://docs.docker.com/reference/api/engine/version/v1.41/, for what docker-py 7 asks.
"""

from __future__ import annotations

import json
import re
import socketserver
import struct
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from fakes.docker.engine import API_VERSION, EngineError, MockEngine

Query = dict[str, str]
_NAME = r"(?P<name>.+?)"


class Server(socketserver.ThreadingUnixStreamServer):
    """Serves one engine."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, path: str, engine: MockEngine) -> None:
        self.engine = engine
        super().__init__(path, Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers the engine's API; what it does not know is a 501 that says so."""

    protocol_version = "HTTP/1.1"
    server: Server
    routes: ClassVar[list[tuple[str, re.Pattern[str], str, Callable[..., None]]]] = []

    def address_string(self) -> str:
        """A Unix socket has no address."""
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged; `MockEngine.calls` counts."""

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    do_POST = do_DELETE = do_HEAD = do_GET

    def _answer(self) -> None:
        split = urlsplit(self.path)
        path = re.sub(r"^/v\d+\.\d+/", "/", split.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        body = self._body()
        for method, pattern, operation, function in self.routes:
            match = pattern.fullmatch(path)
            if match and method in (self.command, "GET" if self.command == "HEAD" else method):
                try:
                    self.server.engine.note(operation)
                    function(self, query, body, **{k: unquote(v) for k, v in match.groupdict().items()})
                except EngineError as error:
                    self._json({"message": error.message}, error.status)
                return
        self.server.engine.calls[f"unknown: {self.command} {path}"] += 1
        self._json({"message": f"the mocked engine does not implement {self.command} {path}"}, 501)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _head(self, status: int, content_type: str, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Docker-Experimental", "false")
        self.send_header("Ostype", "linux")
        self.send_header("Server", "Docker/20.10.0-mock (linux)")
        self.send_header("Content-Type", content_type)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _json(self, document: Any, status: int = 200) -> None:
        data = json.dumps(document).encode()
        self._head(status, "application/json", len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _nothing(self, status: int = 204) -> None:
        self._head(status, "text/plain", 0)

    def _stream(self, parts: Iterable[bytes], content_type: str) -> None:
        iterator = iter(parts)
        first = next(iterator, None)  # an error before the first part is a plain error answer
        self._head(200, content_type, None)
        try:
            while first is not None:
                self.wfile.write(f"{len(first):x}\r\n".encode() + first + b"\r\n")
                self.wfile.flush()
                first = next(iterator, None)
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _events(self, events: Iterable[dict[str, Any]]) -> None:
        self._stream((json.dumps(event).encode() + b"\r\n" for event in events), "application/json")

    # System

    def ping(self, query: Query, body: bytes) -> None:
        """GET /_ping."""
        self._head(200, "text/plain", 2)
        if self.command != "HEAD":
            self.wfile.write(b"OK")

    def version(self, query: Query, body: bytes) -> None:
        """GET /version."""
        info = self.server.engine.info()
        self._json(
            {
                "Version": info["ServerVersion"],
                "ApiVersion": API_VERSION,
                "MinAPIVersion": "1.12",
                "Os": "linux",
                "Arch": info["Architecture"],
            }
        )

    def info(self, query: Query, body: bytes) -> None:
        """GET /info."""
        self._json(self.server.engine.info())

    # Images

    def image_list(self, query: Query, body: bytes) -> None:
        """GET /images/json."""
        wanted = _labels(query)
        images = [i for i in self.server.engine.images.values() if _matches(i.labels, wanted)]
        self._json([image.summary() for image in images])

    def image_inspect(self, query: Query, body: bytes, name: str) -> None:
        """GET /images/NAME/json."""
        self._json(self.server.engine.image(name).inspect())

    def image_create(self, query: Query, body: bytes) -> None:
        """POST /images/create: a pull."""
        self._events(self.server.engine.pull(query.get("fromImage", ""), query.get("tag", "")))

    def image_tag(self, query: Query, body: bytes, name: str) -> None:
        """POST /images/NAME/tag."""
        self.server.engine.tag(name, query.get("repo", ""), query.get("tag", ""))
        self._nothing(201)

    def image_push(self, query: Query, body: bytes, name: str) -> None:
        """POST /images/NAME/push."""
        self._events(self.server.engine.push(name, query.get("tag", "")))

    def image_delete(self, query: Query, body: bytes, name: str) -> None:
        """DELETE /images/NAME."""
        self._json(self.server.engine.remove_image(name, _true(query, "force")))

    def image_build(self, query: Query, body: bytes) -> None:
        """POST /build."""
        self._events(self.server.engine.build(body, query))

    # Containers

    def container_list(self, query: Query, body: bytes) -> None:
        """GET /containers/json."""
        wanted, everything = _labels(query), _true(query, "all")
        found = [
            c
            for c in self.server.engine.containers.values()
            if (everything or c.running) and _matches(c.config.get("Labels") or {}, wanted)
        ]
        self._json(
            [
                {
                    "Id": c.id,
                    "Names": [f"/{c.name}"],
                    "Image": c.config.get("Image"),
                    "ImageID": c.image,
                    "State": c.status,
                    "Status": c.status,
                    "Labels": c.config.get("Labels") or {},
                    "Created": int(c.created.timestamp()),
                    "Ports": [],
                }
                for c in found
            ]
        )

    def container_create(self, query: Query, body: bytes) -> None:
        """POST /containers/create."""
        container = self.server.engine.create(query.get("name"), json.loads(body))
        self._json({"Id": container.id, "Warnings": []}, 201)

    def container_inspect(self, query: Query, body: bytes, name: str) -> None:
        """GET /containers/NAME/json."""
        self._json(self.server.engine.container(name).inspect())

    def container_start(self, query: Query, body: bytes, name: str) -> None:
        """POST /containers/NAME/start."""
        running = self.server.engine.container(name).running
        self.server.engine.start(name)
        self._nothing(304 if running else 204)

    def container_stop(self, query: Query, body: bytes, name: str) -> None:
        """POST /containers/NAME/stop."""
        container = self.server.engine.container(name)
        running = container.running
        container.stop(float(query.get("t") or 10))
        self._nothing(204 if running else 304)

    def container_kill(self, query: Query, body: bytes, name: str) -> None:
        """POST /containers/NAME/kill."""
        container = self.server.engine.container(name)
        if not container.running:
            raise EngineError(409, f"Cannot kill container: {name}: Container {container.id} is not running")
        container.kill()
        self._nothing()

    def container_wait(self, query: Query, body: bytes, name: str) -> None:
        """POST /containers/NAME/wait."""
        self._json({"StatusCode": self.server.engine.container(name).wait(), "Error": None})

    def container_logs(self, query: Query, body: bytes, name: str) -> None:
        """GET /containers/NAME/logs, in frames: stream, three zeros, length (Docker's "attach" format)."""
        container = self.server.engine.container(name)
        streams = {number for number, key in ((1, "stdout"), (2, "stderr")) if _true(query, key)}
        tail = query.get("tail", "all")
        lines = container.log(None if tail == "all" else int(tail), _true(query, "follow"), streams)
        frames = (struct.pack(">BxxxL", number, len(line)) + line for number, line in lines)
        self._stream(frames, "application/vnd.docker.raw-stream")

    def container_delete(self, query: Query, body: bytes, name: str) -> None:
        """DELETE /containers/NAME."""
        self.server.engine.remove(name, _true(query, "force"))
        self._nothing()


def _route(method: str, path: str, operation: str, function: Callable[..., None]) -> None:
    Handler.routes.append((method, re.compile(path), operation, function))


_route("GET", "/_ping", "Ping", Handler.ping)
_route("GET", "/version", "Version", Handler.version)
_route("GET", "/info", "Info", Handler.info)
_route("GET", "/images/json", "ImageList", Handler.image_list)
_route("POST", "/images/create", "ImagePull", Handler.image_create)
_route("POST", "/build", "ImageBuild", Handler.image_build)
_route("GET", f"/images/{_NAME}/json", "ImageInspect", Handler.image_inspect)
_route("POST", f"/images/{_NAME}/tag", "ImageTag", Handler.image_tag)
_route("POST", f"/images/{_NAME}/push", "ImagePush", Handler.image_push)
_route("DELETE", f"/images/{_NAME}", "ImageDelete", Handler.image_delete)
_route("GET", "/containers/json", "ContainerList", Handler.container_list)
_route("POST", "/containers/create", "ContainerCreate", Handler.container_create)
_route("GET", f"/containers/{_NAME}/json", "ContainerInspect", Handler.container_inspect)
_route("POST", f"/containers/{_NAME}/start", "ContainerStart", Handler.container_start)
_route("POST", f"/containers/{_NAME}/stop", "ContainerStop", Handler.container_stop)
_route("POST", f"/containers/{_NAME}/kill", "ContainerKill", Handler.container_kill)
_route("POST", f"/containers/{_NAME}/wait", "ContainerWait", Handler.container_wait)
_route("GET", f"/containers/{_NAME}/logs", "ContainerLogs", Handler.container_logs)
_route("DELETE", f"/containers/{_NAME}", "ContainerDelete", Handler.container_delete)


def _true(query: Query, name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true")


def _labels(query: Query) -> list[str]:
    filters = json.loads(query.get("filters") or "{}")
    wanted = filters.get("label") or []
    return list(wanted)


def _matches(labels: dict[str, str], wanted: list[str]) -> bool:
    for item in wanted:
        key, equals, value = item.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
