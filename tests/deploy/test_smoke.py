"""The smoke test against a server that answers from a list."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.errors import DeployTimeout, PackageRefused, SmokeFailed
from deploy.smoke import Golden, differs, read_golden, smoke

GOLDEN = Golden({"data": [[1.0]]}, {"result": [2.5]})
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64

Answer = tuple[int, str, str]
"""Status, body, digest header."""
GOOD: Answer = (200, '{"result": [2.5]}', DIGEST)


class Script:
    """A server that gives the answers of a list, the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer | None] = []
        self.seen: list[tuple[str, bytes]] = []

    def next(self) -> Answer | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def uri(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            script.seen.append((self.headers.get("authorization", ""), body))
            answer = script.next()
            if answer is None:  # break the connection
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer[0])
            self.send_header("x-model-digest", answer[2])
            self.send_header("content-length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1].encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/score"
    server.shutdown()
    server.server_close()
    thread.join()


def run(uri: str, timeout: float = 30.0) -> object:
    return smoke(uri, GOLDEN, DIGEST, key="k3y", timeout=timeout, interval=0.01)


def test_passes(script: Script, uri: str) -> None:
    script.answers = [GOOD]
    run(uri)
    (authorization, body) = script.seen[0]
    assert authorization == "Bearer k3y"
    assert json.loads(body) == GOLDEN.request


@pytest.mark.parametrize("status", [502, 503, 504])
def test_tries_again_while_the_service_comes_up(script: Script, uri: str, status: int) -> None:
    script.answers = [(status, "not yet", ""), (status, "not yet", ""), GOOD]
    report = smoke(uri, GOLDEN, DIGEST, interval=0.01)
    assert report.attempts == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 501, 505])
def test_judges_any_other_status_at_once(script: Script, uri: str, status: int) -> None:
    script.answers = [(status, "no", DIGEST), GOOD]
    with pytest.raises(SmokeFailed, match=str(status)):
        run(uri)
    assert len(script.seen) == 1


def test_a_broken_connection_is_judged_at_once(script: Script, uri: str) -> None:
    script.answers = [None, GOOD]
    with pytest.raises(SmokeFailed, match="broke the connection"):
        run(uri)
    assert len(script.seen) == 1


def test_a_wrong_prediction_fails_and_says_where(script: Script, uri: str) -> None:
    script.answers = [(200, '{"result": [2.6]}', DIGEST)]
    with pytest.raises(SmokeFailed, match=r"answer\.result\[0\] is 2\.6, expected 2\.5") as failure:
        run(uri)
    assert failure.value.phase == "smoke"


def test_a_stale_version_fails(script: Script, uri: str) -> None:
    script.answers = [(200, '{"result": [2.5]}', OTHER)]
    with pytest.raises(SmokeFailed, match="another version") as failure:
        run(uri)
    assert OTHER in str(failure.value)


def test_an_answer_that_is_no_json_fails(script: Script, uri: str) -> None:
    script.answers = [(200, "<html>", DIGEST)]
    with pytest.raises(SmokeFailed, match="no JSON"):
        run(uri)


def test_the_deadline_names_what_it_saw_last(script: Script, uri: str) -> None:
    script.answers = [(503, "still loading", "")]
    with pytest.raises(DeployTimeout, match="503: still loading"):
        run(uri, timeout=0.2)


def test_refused_connections_are_tried_until_the_deadline() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DeployTimeout, match="connection refused"):
        run(f"http://127.0.0.1:{port}/score", timeout=0.2)


def test_a_proxy_of_the_environment_is_not_asked_about_loopback(
    script: Script, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    script.answers = [GOOD]
    run(uri)


@pytest.mark.parametrize(
    ("answer", "expected", "text"),
    [
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": [1, 2]}, {"a": [1, 2.0000001]}, ""),
        ({"a": [1, 2]}, {"a": [1, 2.1]}, "answer.a[1] is 2"),
        ([1], [1, 2], "1 items, expected 2"),
        ({"a": 1}, {"b": 1}, "members ['a'], expected ['b']"),
        (True, 1, "answer is True"),
        (1, True, "answer is 1"),
        (None, None, ""),
        (0, None, "answer is 0"),
        ("a", "a", ""),
        ("a", "b", "answer is 'a'"),
        ([1.0], {"result": [1.0]}, "answer is [1.0]"),
        (float("nan"), 1.0, "answer is nan"),
        (0.0, 1e-300, ""),
    ],
)
def test_differs(answer: object, expected: object, text: str) -> None:
    found = differs(answer, expected, 1e-6)
    assert text in found
    assert bool(found) == bool(text)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"request": 1}', '{"request": 1, "response": 1, "rtol": "x"}'])
def test_a_damaged_golden_prediction_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "golden.json").write_text(content)
    with pytest.raises(PackageRefused, match=r"golden\.json"):
        read_golden(tmp_path)
