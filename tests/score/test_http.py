"""HTTP at the level of bytes: what is malformed, too large, too slow, or odd but right."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.score.client import Pipelined, call, connect, raw, read_answer, score
from tests.score.hosts import Host, host, wait_for

ECHO = """
def init(): pass
def run(data): return {"length": len(data), "start": data[:50]}
"""
LIMITS = {
    "MLOPS_SCORE_MAX_BODY_BYTES": "200000",
    "MLOPS_SCORE_HEADER_SECONDS": "0.5",
    "MLOPS_SCORE_BODY_SECONDS": "1",
    "MLOPS_SCORE_IDLE_SECONDS": "1.5",
}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with small limits whose script tells what it got."""
    path: Path = tmp_path_factory.mktemp("echo") / "entry.py"
    path.write_text(ECHO)
    with host("--entry-script", str(path), env=LIMITS) as running:
        yield running


def healthy(running: Host) -> bool:
    return call(running.port, "GET", "/readyz").status == 200 and score(running.port, b"x").status == 200


HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10, 400),
        ("no version", b"GET\r\n\r\n", 400),
        ("lower-case method", b"post /score HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("space in header name", b"GET / HTTP/1.1\r\nHo st: x\r\n\r\n", 400),
        ("header without colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
        ("folded header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        ("NUL in header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
        ("bare CR in header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n", 400),
        ("both lengths", HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("two lengths", HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
        ("negative length", HEAD + b"Content-Length: -1\r\n\r\n", 400),
        ("length no number", HEAD + b"Content-Length: abc\r\n\r\n", 400),
        ("length list", HEAD + b"Content-Length: 4, 4\r\n\r\nabcd", 400),
        ("huge length", HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
        ("chunk size no number", HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n", 400),
        ("chunk without end", HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
        ("huge chunk size", HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na", 400),
        ("unknown encoding", HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        ("chunked not last", HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("long target", b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("long header", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        ("long header name", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a" * 40_000 + b": b\r\n\r\n", 431),
        ("many headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        ("endless head", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000, 431),
        ("large length", HEAD + b"Content-Length: 200001\r\n\r\n", 413),
        ("large chunk", HEAD + b"Transfer-Encoding: chunked\r\n\r\n30d41\r\n" + b"a" * 200_001, 413),
        (
            "many chunks",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 7,
            413,
        ),
        ("traversal", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("encoded traversal", b"GET /%2e%2e/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("NUL in path", b"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("asterisk", b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        ("connect", b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_is_refused_with_a_json_answer(echo: Host, name: str, data: bytes, status: int) -> None:
    answer = raw(echo.port, data)
    assert answer.status == status
    assert answer.json()["message"]
    assert healthy(echo)


def test_upgrade_is_ignored(echo: Host) -> None:
    answer = raw(echo.port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "GET")
    assert answer.body == b"Healthy"


def test_refused_body_is_not_waited_for_and_answer_is_readable(echo: Host) -> None:
    """The client is still sending when it is refused; it must get the answer, not a reset."""
    with connect(echo.port) as sock:
        sock.sendall(HEAD + b"Content-Length: 5000000\r\n\r\n")
        try:
            for _ in range(50):
                sock.sendall(b"a" * 100_000)
        except OSError:
            pass
        assert read_answer(sock).status == 413


@pytest.mark.parametrize("size", [0, 1, 50_000, 60_001, 199_999, 200_000])
@pytest.mark.parametrize("chunk", [0, 1000, 65_536])
def test_bodies_arrive_whole(echo: Host, size: int, chunk: int) -> None:
    body = b"a" * size
    if not chunk:
        answer = score(echo.port, body)
    else:
        parts = [body[i : i + chunk] for i in range(0, size, chunk)]
        data = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        answer = raw(echo.port, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    assert answer.status == 200
    assert answer.json()["length"] == size


def test_byte_by_byte(echo: Host) -> None:
    data = HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello"
    with connect(echo.port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            sock.sendall(data[i : i + 1])
        assert read_answer(sock).json() == {"length": 5, "start": "hello"}


@pytest.mark.parametrize("data", [b"GET / HT", HEAD + b"A: b", HEAD + b"Content-Length: 10\r\n\r\nabc"])
def test_slow_request_is_timed_out(echo: Host, data: bytes) -> None:
    with connect(echo.port) as sock:
        sock.sendall(data)
        answer = read_answer(sock)  # comes without anything more being sent
        assert answer.status == 408
        assert sock.recv(1) == b""
    assert healthy(echo)


def test_idle_connection_is_closed(echo: Host) -> None:
    with connect(echo.port) as sock:
        sock.sendall(HEAD + b"Content-Length: 1\r\n\r\nx")
        assert read_answer(sock).status == 200
        assert sock.recv(1) == b""


def test_silent_connection_is_closed(echo: Host) -> None:
    with connect(echo.port) as sock:
        assert sock.recv(1) == b""


def test_client_that_hangs_up_midway_harms_nobody(echo: Host) -> None:
    for data in (b"", b"POST /sc", HEAD, HEAD + b"Content-Length: 100\r\n\r\nabc"):
        for _ in range(5):
            sock = connect(echo.port)
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            sock.close()
    assert healthy(echo)


def test_half_closed_client_gets_its_answer(echo: Host) -> None:
    with connect(echo.port) as sock:
        sock.sendall(HEAD + b"Content-Length: 2\r\n\r\nok")
        sock.shutdown(socket.SHUT_WR)
        assert read_answer(sock).json()["start"] == "ok"


def test_keep_alive_and_pipelining_keep_the_order(echo: Host) -> None:
    with connect(echo.port) as sock:
        answers_of = Pipelined(sock)
        sock.sendall(b"".join(HEAD + b"Content-Length: 3\r\n\r\n%03d" % i for i in range(100)))
        for i in range(100):
            assert read_answer(answers_of).json()["start"] == f"{i:03d}"


def test_pipelined_health_and_score(echo: Host) -> None:
    one = HEAD + b"Content-Length: 1\r\n\r\n1"
    with connect(echo.port) as sock:
        answers_of = Pipelined(sock)
        sock.sendall(one + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + one)
        answers = [read_answer(answers_of) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[1].body == b"Healthy"


def test_http_1_0(echo: Host) -> None:
    with connect(echo.port) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_answer(sock).body == b"Healthy"
        assert sock.recv(1) == b""


def test_head_has_no_body(echo: Host) -> None:
    with connect(echo.port) as sock:
        answers_of = Pipelined(sock)
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = read_answer(answers_of, "HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "7", b"")
        assert read_answer(answers_of, "GET").body == b"Healthy"


def test_expect_100_continue(echo: Host) -> None:
    with connect(echo.port) as sock:
        sock.sendall(HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert read_answer(sock).json()["start"] == "hello"


def test_expect_100_continue_of_too_large_a_body(echo: Host) -> None:
    with connect(echo.port) as sock:
        sock.sendall(HEAD + b"Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n")
        assert read_answer(sock).status == 413


def test_absolute_target(echo: Host) -> None:
    data = b"POST http://x:80/score?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    assert raw(echo.port, data).status == 200


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\0b"])
def test_header_injection(echo: Host, value: str) -> None:
    answer = raw(echo.port, HEAD + f"x-request-id: {value}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx".encode())
    assert "x-evil" not in answer.headers


def test_id_headers_that_are_not_ascii_come_back_as_they_were(echo: Host) -> None:
    answer = raw(echo.port, HEAD + b"x-request-id: \xc3\xa9\xff\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
    assert answer.status == 200
    assert answer.headers["x-request-id"].encode("latin-1") == b"\xc3\xa9\xff"


def test_duplicate_id_headers(echo: Host) -> None:
    answer = raw(
        echo.port,
        HEAD + b"x-request-id: a\r\nx-request-id: b\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
    )
    assert answer.headers["x-request-id"] == "a,b"


def test_underscore_header_does_not_pose_as_another(echo: Host) -> None:
    answer = raw(echo.port, HEAD + b"x_request_id: evil\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


def test_connections_beyond_the_limit_wait(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(ECHO)
    with host("--root", str(tmp_path), env={"MLOPS_SCORE_MAX_CONNECTIONS": "3"}) as running:
        held = [connect(running.port) for _ in range(3)]
        wait_for(lambda: True, "the connections")
        with connect(running.port) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            held.pop().close()
            assert read_answer(sock, "GET").status == 200
        for each in held:
            each.close()
