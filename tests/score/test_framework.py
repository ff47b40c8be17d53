"""What the host leaves out of Flask is left out only where nobody asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, after_this_request, current_app, g, got_request_exception, request
from flask.signals import appcontext_tearing_down, request_finished, request_started, request_tearing_down

from score._host import shims
from score._host.framework import HostFlask


@pytest.fixture(params=[HostFlask, Flask])
def app(request: pytest.FixtureRequest) -> Flask:
    """The host's Flask and the original: the tests say what both do."""
    app: Flask = request.param("service", static_folder=None)

    def score() -> Any:
        return Response("scored", headers={"x-endpoint": str(request_endpoint())})

    def request_endpoint() -> str | None:
        from flask import request

        return request.endpoint

    app.add_url_rule("/score", "score", score, methods=["GET", "POST"])
    app.add_url_rule("/rows/<int:row>", "row", lambda row: {"row": row})
    return app


def test_the_same_place_again_and_others_between(app: Flask) -> None:
    client = app.test_client()
    for _ in range(3):
        assert client.post("/score?x=1").headers["x-endpoint"] == "score"
        assert client.get("/score").headers["x-endpoint"] == "score"
        refused = client.delete("/score")
        assert (refused.status_code, sorted(refused.headers["Allow"].split(", "))) == (
            405,
            ["GET", "HEAD", "OPTIONS", "POST"],
        )
        assert client.head("/score").data == b""
        assert client.get("/nowhere").status_code == 404
        assert client.get("/sc%6Fre").status_code == 200
        assert [client.get(f"/rows/{row}").json for row in (1, 2)] == [{"row": 1}, {"row": 2}]


def test_what_is_registered_is_called(app: Flask) -> None:
    said: list[str] = []

    @app.before_request
    def before() -> None:
        said.append("before")

    @app.after_request
    def after(response: Response) -> Response:
        response.headers["x-after"] = "yes"
        return response

    app.teardown_request(lambda _error: said.append("teardown"))
    app.teardown_appcontext(lambda _error: said.append("context"))
    answer = app.test_client().post("/score")
    assert answer.headers["x-after"] == "yes"
    assert said == ["before", "teardown", "context"]


def test_what_a_view_asks_for_is_done(app: Flask) -> None:
    @app.get("/asks")
    def asks() -> tuple[str, int]:
        g.seen = current_app.name

        @after_this_request
        def mark(response: Response) -> Response:
            response.headers["x-this"] = f"{g.seen} {request.path}"
            return response

        return "asked", 201

    answer = app.test_client().get("/asks")
    assert (answer.status_code, answer.data, answer.headers["x-this"]) == (201, b"asked", "service /asks")


def test_who_listens_to_a_signal_hears_it(app: Flask) -> None:
    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError("no")

    heard: list[str] = []
    signals = {
        "started": request_started,
        "finished": request_finished,
        "tearing": request_tearing_down,
        "context": appcontext_tearing_down,
        "exception": got_request_exception,
    }
    listeners = {}
    for name, signal in signals.items():

        def listen(_app: Flask, name: str = name, **_: Any) -> None:
            heard.append(name)

        listeners[name] = listen
        signal.connect(listen, app)
    client = app.test_client()
    client.get("/score")
    assert heard == ["started", "finished", "tearing", "context"]
    heard.clear()
    assert client.get("/fails").status_code == 500
    assert heard == ["started", "exception", "finished", "tearing", "context"]


@pytest.fixture
def answer() -> Iterator[Any]:
    app = Flask("answers", static_folder=None)
    made: list[shims.AMLResponse] = []
    app.add_url_rule("/", "answer", lambda: made[-1], methods=["GET"])

    def ask(response: shims.AMLResponse, method: str = "GET") -> Any:
        made.append(response)
        return app.test_client().open("/", method=method)

    yield ask


def test_an_answer_of_the_script_is_sent_as_werkzeug_sends_it(answer: Any) -> None:
    def plain(response: shims.AMLResponse) -> Response:
        """The same answer in werkzeug's own class."""
        return Response(response.get_data(), response.status_code, list(response.headers))

    for make in (
        lambda: shims.AMLResponse("text", 200),
        lambda: shims.AMLResponse(b"\x00", 200, {"Content-Type": "application/x-npy"}),
        lambda: shims.AMLResponse(None, 200),
        lambda: shims.AMLResponse("", 204),
        lambda: shims.AMLResponse({"a": 1}, 400, json_str=True),
        lambda: shims.AMLResponse("there", 200, {"Location": "/elsewhere/ä"}),
    ):
        for method in ("GET", "HEAD"):
            ours, theirs = answer(make(), method), answer(plain(make()), method)
            assert (ours.status, ours.data, list(ours.headers)) == (theirs.status, theirs.data, list(theirs.headers))


def test_an_answer_that_is_a_stream_is_closed(answer: Any) -> None:
    closed: list[bool] = []
    response = shims.AMLResponse("", 200)
    response.response = iter([b"a", b"b"])
    response.headers.pop("Content-Length")
    response.call_on_close(lambda: closed.append(True))
    sent = answer(response)
    assert sent.data == b"ab"
    sent.close()
    assert closed == [True]
