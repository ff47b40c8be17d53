"""Door 2: a forward proxy that ends TLS and answers from the application."""

from __future__ import annotations

import contextlib
import http.server
import io
import logging
import selectors
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from fakes.core import hosts
from fakes.core.environ import ADMIN, CA_PEM, build_environ
from fakes.doors.bodies import BadBody, body_of
from fakes.doors.certificates import Authority

# Imported by the first request: starting the server when a fake is turned on must not take long.
if TYPE_CHECKING:
    from werkzeug import Response

    from fakes.core.application import Application

log = logging.getLogger("fakes.server")

IDLE_SECONDS = 60.0
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The proxy. One thread a connection, at most `connections` of them: the next ones wait to be accepted.

    Parameters
    ----------
    application
        Called for each request: the application that answers it.
    tunnel
        Pass connections to hosts that are not Azure's on to them; otherwise they are refused.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256
    block_on_close = False

    def __init__(
        self,
        application: Callable[[], Application],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hours: float = 24.0,
        connections: int = 256,
        tunnel: bool = False,
    ) -> None:
        self.application = application
        self.authority = Authority(hours)
        self.tunnel = tunnel
        self._slots = threading.BoundedSemaphore(connections)
        self._open: set[socket.socket] = set()
        self._inner: dict[socket.socket, socket.socket] = {}
        self._open_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        super().__init__((host, port), Handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """Address of the proxy and of the admin pages, for programs on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Server:
        """Serve from a thread of its own."""
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.2}, name="fakes-server", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and drop every connection."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join(5)
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Wait for a free slot, then start a thread for the connection."""
        self._slots.acquire()
        with self._open_lock:
            self._open.add(request)
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._forget(request)
            raise

    def replaced(self, plain: socket.socket, tls: socket.socket) -> None:
        """Note that a connection goes on inside TLS: the plain socket is an empty shell from then on."""
        with self._open_lock:
            self._open.add(tls)
            self._inner[plain] = tls

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def _forget(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
            self._open.discard(self._inner.pop(request, request))
        self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what broke a connection; a client that went away is nothing to report."""
        error = sys.exc_info()[1]
        if isinstance(error, (ConnectionError, TimeoutError, OSError)):
            log.debug("connection of %s ended: %r", client_address, error)
        else:
            log.exception("connection of %s failed", client_address)


class _Writer(io.BufferedIOBase):
    """Writes all of what it is given, at once."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._connection.sendall(data)
        return len(data)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection: plain requests to the admin pages, absolute-form proxy requests, CONNECT and TLS."""

    protocol_version = "HTTP/1.1"
    server_version = "fakes"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024
    tls_host: str | None = None

    @property
    def proxy(self) -> Server:
        """The server that accepted this connection."""
        return cast(Server, self.server)

    def handle_one_request(self) -> None:
        """Read one request and answer it."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
        except (TimeoutError, OSError):
            self.close_connection = True
            return
        if len(self.raw_requestline) > 65536:
            self.requestline, self.command = "", ""
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            self.close_connection = True
            return
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            self.close_connection = True
            return
        # parse_request collapses leading slashes of the path; the application wants it as it was sent.
        target = self.raw_requestline.split()[1].decode("latin-1")
        if self.command == "CONNECT":
            self._connect(target)
        else:
            self._request(target)

    def _connect(self, target: str) -> None:
        host = hosts.bare(target)
        if self.tls_host is not None:
            self._refuse(HTTPStatus.BAD_REQUEST, "CONNECT inside a tunnel is not supported.")
        elif hosts.is_azure(host):
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            plain = self.connection
            tls = self.proxy.authority.context(host).wrap_socket(plain, server_side=True)
            self.proxy.replaced(plain, tls)
            tls.settimeout(IDLE_SECONDS)
            self.tls_host = host
            self.connection = tls
            self.rfile = cast(io.BufferedIOBase, tls.makefile("rb", self.rbufsize))
            self.wfile = _Writer(tls)
            self.close_connection = False
        elif self.proxy.tunnel:
            self._tunnel(target)
        else:
            self._refuse_host(host)

    def finish(self) -> None:
        """Close what is ours, the TLS layer included."""
        super().finish()
        if self.tls_host is not None:
            with contextlib.suppress(OSError):
                self.connection.close()

    def _request(self, target: str) -> None:
        if self.tls_host is not None:
            scheme, host = "https", self.headers.get("Host") or self.tls_host
        else:
            scheme, host = "http", self.headers.get("Host") or ""
        if "://" in target.partition("?")[0]:
            parts = urlsplit(target)
            scheme, host = parts.scheme, parts.netloc.rpartition("@")[2]
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            if not hosts.is_azure(host):
                self._other_host(scheme, host, target)
                return
            admin = False
        else:
            admin = self.tls_host is None
        try:
            body = body_of(self.headers, self.rfile)
        except BadBody as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        if not body.exhausted:
            self._acknowledge()
        environ = build_environ(self.command, scheme, host, target, self.headers.items(), body)
        if body.length is not None:
            environ["CONTENT_LENGTH"] = str(body.length)
        environ["REMOTE_ADDR"] = self.client_address[0]
        environ[ADMIN] = admin
        environ[CA_PEM] = self.proxy.authority.pem
        response = self.proxy.application().handle(environ)
        if not body.exhausted:
            self.close_connection = True
        self._send(response)

    def _acknowledge(self) -> None:
        """Tell the client at once that the head has arrived.

        urllib3 sends head and body apart, and through a proxy it leaves Nagle's algorithm on: the body waits for this,
        and by itself Linux waits 40 ms before it says so.
        """
        if _QUICKACK is not None:
            with contextlib.suppress(OSError):
                self.connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _send(self, response: Response) -> None:
        from fakes.core.broken import BrokenConnection

        whole = response.whole if isinstance(response, BrokenConnection) else response
        if whole is None:
            self._drop()
            return
        streamed = whole.is_streamed and "Content-Length" not in whole.headers
        chunked = streamed and self.request_version != "HTTP/1.0"
        head = [f"HTTP/1.1 {whole.status}", f"Server: {self.server_version}"]
        if "Date" not in whole.headers:
            head.append(f"Date: {self.date_time_string()}")
        head += [f"{name}: {value}" for name, value in whole.headers.items()]
        if chunked:
            head.append("Transfer-Encoding: chunked")
        elif streamed:
            self.close_connection = True
        if self.close_connection:
            head.append("Connection: close")
        start = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if self.command == "HEAD" or whole.status_code in (204, 304) or whole.status_code < 200:
            self.wfile.write(start)
        elif whole is not response:
            data = whole.get_data()
            self.wfile.write(start + data[: len(data) // 2])
            self._drop()
        elif not whole.is_streamed:
            self.wfile.write(start + whole.get_data())
        else:
            self.wfile.write(start)
            for part in whole.iter_encoded():
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
            whole.close()

    def _drop(self) -> None:
        """End the connection so that the client sees a reset."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is none, also when its version could not be read."""
        self.request_version = "HTTP/1.1"
        self._refuse(HTTPStatus(code), message or HTTPStatus(code).description)

    def _refuse_host(self, host: str) -> None:
        self._refuse(
            HTTPStatus.BAD_GATEWAY,
            f"{host} is not a host of Azure: the fake answers for Azure only and passes nothing on. "
            "Start it with --allow-other-hosts to let such connections through, or put the host into NO_PROXY.",
        )

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        from werkzeug import Response

        self.close_connection = True
        response = Response(message + "\n", int(status), content_type="text/plain; charset=utf-8")
        response.headers["Content-Length"] = str(len(response.get_data()))
        self._send(response)

    def _other_host(self, scheme: str, host: str, target: str) -> None:
        if not self.proxy.tunnel or scheme != "http":
            self._refuse_host(host)
            return
        name, _, port = host.partition(":")
        with socket.create_connection((name, int(port or 80)), timeout=IDLE_SECONDS) as upstream:
            headers = [(n, v) for n, v in self.headers.items() if n.lower() not in ("proxy-connection", "connection")]
            head = "\r\n".join([f"{self.command} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in headers)])
            upstream.sendall(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n")
            body = body_of(self.headers, self.rfile)
            while data := body.read(65536):
                upstream.sendall(data)
            self._pump(upstream)

    def _tunnel(self, target: str) -> None:
        name, _, port = target.rpartition(":")
        try:
            upstream = socket.create_connection((name.strip("[]"), int(port)), timeout=IDLE_SECONDS)
        except (OSError, ValueError) as error:
            self._refuse(HTTPStatus.BAD_GATEWAY, f"cannot connect to {target}: {error}")
            return
        with upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pump(upstream)

    def _pump(self, upstream: socket.socket) -> None:
        self.close_connection = True
        client = self.connection
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, upstream)
            selector.register(upstream, selectors.EVENT_READ, client)
            while ready := selector.select(IDLE_SECONDS):
                for key, _ in ready:
                    data = cast(socket.socket, key.fileobj).recv(65536)
                    if not data:
                        return
                    cast(socket.socket, key.data).sendall(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Log at debug level: the request log of the state is what people read."""
        log.debug(format, *args)
