"""Door 2 on the wire: HTTP/1.1 as clients of any language speak it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from cryptography import x509

from fakes.core.application import Application
from fakes.core.settings import Settings
from fakes.core.state import State
from fakes.doors.server import Handler, Server

API = "westeurope.api.azureml.ms"


@pytest.fixture
def make():
    servers = []

    def start(settings: Settings | None = None, **options) -> Server:
        state = State(settings)
        application = Application(state)
        server = Server(lambda: application, **options).start()
        server.state = state
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
        server.state.close()


@pytest.fixture
def server(make):
    return make()


def _context(server: Server) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=server.authority.pem)


def _connect(server: Server, host: str = API) -> http.client.HTTPSConnection:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=_context(server))
    connection.set_tunnel(host, 443)
    return connection


def _raw(server: Server, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while data := connection.recv(65536):
            parts.append(data)
        return b"".join(parts)


def test_keep_alive_and_head(server):
    connection = _connect(server)
    for _ in range(3):
        connection.request("GET", "/discovery")
        answer = connection.getresponse()
        assert answer.status == 200 and json.loads(answer.read())["api"] == f"https://{API}"
        connection.request("HEAD", "/discovery")
        answer = connection.getresponse()
        assert answer.read() == b"" and int(answer.headers["Content-Length"]) > 0
    connection.close()


def test_chunked_upload_and_expect_continue(server):
    state = server.state
    workspace = state.workspace()
    url = f"/artifact/v2.0{workspace.arm_id}/artifacts/content/LocalUpload/c/p"
    headers = {"Authorization": f"Bearer {state.tokens.issue()}"}
    connection = _connect(server)
    connection.request("POST", url, body=iter([b"one", b"two"]), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["path"]) == (200, "p")
    connection.close()
    tunnel = _connect(server)
    tunnel.connect()
    tunnel.sock.sendall(
        f"POST {url} HTTP/1.1\r\nHost: {API}\r\nAuthorization: {headers['Authorization']}\r\n"
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert tunnel.sock.recv(1024).startswith(b"HTTP/1.1 100 Continue")
    tunnel.sock.sendall(b"three")
    assert tunnel.sock.recv(1024).startswith(b"HTTP/1.1 200")
    tunnel.close()
    found = requests.get(
        f"https://{API}/artifact/v2.0{workspace.arm_id}/artifacts/content/LocalUpload/c/p",
        headers=headers,
        proxies={"https": server.address},
        verify=_written(server),
    )
    assert found.content == b"three"


def test_a_body_that_waits_for_the_head_to_be_acknowledged_does_not_wait_long(server, monkeypatch):
    """Through a proxy urllib3 leaves Nagle's algorithm on: 40 ms a request, unless the head is acknowledged at once."""
    told = []
    acknowledge = Handler._acknowledge
    monkeypatch.setattr(Handler, "_acknowledge", lambda self: told.append(self.command) or acknowledge(self))
    url = f"https://{API}/discovery"
    with requests.Session() as session:
        for method, body in (("GET", None), ("POST", b"body"), ("POST", iter([b"chunk"])), ("POST", b"")):
            session.request(method, url, data=body, proxies={"https": server.address}, verify=_written(server))
    assert told == ["POST", "POST"]


def _written(server, folder=[]):  # noqa: B006 - one file for the module
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "ca.pem"
    path.write_text(server.authority.pem)
    folder.append(path)
    return str(path)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_bad_framing_is_refused_and_the_server_lives(server, request_):
    assert _raw(server, request_).split(b" ", 2)[1] in (b"400", b"505")
    assert requests.get(f"{server.address}/fakes/health").json()["status"] == "ok"


def test_bodies_that_end_early_are_survived(server):
    for text in (
        b"POST /fakes/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{",
        b"POST /fakes/reset HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\nno tls at all",
        b"",
    ):
        _raw(server, text)
    assert requests.get(f"{server.address}/fakes/health").json()["bugs"] == 0


def test_too_large_a_body(make):
    server = make(Settings(max_body=100))
    answer = requests.post(f"{server.address}/fakes/reset", data=b"x" * 101)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "RequestBodyTooLarge"
    assert requests.get(f"{server.address}/fakes/health").status_code == 200


def test_hosts_outside_azure_are_refused_unless_allowed(make):
    refused = _raw(make(), b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 502") and b"not a host of Azure" in refused
    plain = _raw(make(), b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert plain.startswith(b"HTTP/1.1 502")
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        port = upstream.getsockname()[1]

        def echo():
            connection, _ = upstream.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

        threading.Thread(target=echo, daemon=True).start()
        open_server = make(tunnel=True)
        with socket.create_connection(("127.0.0.1", open_server.port), timeout=10) as client:
            client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"


def test_connections_are_bounded_and_waiting_ones_are_served(make):
    server = make(connections=2)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: requests.get(f"{server.address}/fakes/health").status_code, range(24)))
    assert found == [200] * 24


def test_the_authority_is_good_for_azure_only(server):
    certificate = x509.load_pem_x509_certificate(server.authority.pem.encode())
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical and x509.DNSName("azureml.ms") in constraints.value.permitted_subtrees
    hours = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds() / 3600
    assert hours < 48
    for host in ("management.azure.com", f"{'a' * 60}.westeurope.azurecontainer.io"):
        connection = _connect(server, host)
        connection.connect()
        connection.close()
    # A certificate that it signs for another name is not believed.
    context = server.authority.context("example.com")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        client = socket.create_connection(listener.getsockname(), timeout=10)
        with client, pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
            _context(server).wrap_socket(client, server_hostname="example.com")


def test_two_servers_trust_nothing_of_each_other(make):
    one, two = make(), make()
    connection = http.client.HTTPSConnection("127.0.0.1", one.port, timeout=10, context=_context(two))
    connection.set_tunnel(API, 443)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/discovery")


def test_stop_frees_port_and_threads(make):
    server = make()
    connection = _connect(server)
    connection.request("GET", "/discovery")
    connection.getresponse().read()
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2).close()
    with pytest.raises((OSError, http.client.HTTPException)):
        connection.request("GET", "/discovery")
        connection.getresponse()
