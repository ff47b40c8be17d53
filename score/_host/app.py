"""The Flask application of a worker: routes, status codes and headers of Azure's inference server."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from . import log
from .cors import allow_origins
from .errors import BadInput, ScoringFailed, ScoringTimeout
from .framework import HostFlask
from .identity import read_ids
from .script import EntryScript
from .settings import Settings
from .swagger import Swagger, UnknownVersion

SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
NOT_FINITE = (
    "The scoring script returned NaN or Infinity, which JSON cannot hold. Check the input and the model; "
    "a script that needs such values should return them as null or as text."
)
FAILED_HEADER = "x-ms-run-function-failed"
_OURS = frozenset(("x-request-id", "x-ms-request-id", "x-ms-client-request-id", "x-model-digest"))
_ENVIRON = {name: "HTTP_" + name.upper().replace("-", "_") for name in _OURS}


def json_response(document: Any, status: int = 200, *, failed: bool = False) -> Response:
    """A JSON answer with the header that says whether ``run()`` failed."""
    response = Response(json.dumps(document, allow_nan=False), status=status, mimetype="application/json")
    response.headers[FAILED_HEADER] = str(failed)
    return response


def error_response(status: int, message: str, *, failed: bool = False) -> Response:
    """Azure's error body: one object with a message."""
    return json_response({"message": message}, status, failed=failed)


class Identity:
    """WSGI middleware: the id headers, ``TraceId``, and the headers that every answer carries.

    Around Flask instead of in its hooks: plain lists instead of header objects, and an answer has its ids even where
    Flask fails.
    """

    def __init__(self, app: Any, always: list[tuple[str, str]], model_digest: str) -> None:
        self.app = app
        self.always = always
        self.scored = [*always, ("x-model-digest", model_digest)] if model_digest else always

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""

        def get(name: str, default: str) -> str:
            return str(environ.get(_ENVIRON[name], default))

        ids = read_ids(get)
        added = list(self.scored if environ["PATH_INFO"] == "/score" else self.always)
        if ids.request:
            added.append(("x-request-id", ids.request))
        if ids.legacy:
            added.append(("x-ms-request-id", ids.legacy))
        if ids.client:
            added.append(("x-ms-client-request-id", ids.client))
        if "HTTP_TRACEID" in environ:
            added.append(("TraceId", environ["HTTP_TRACEID"]))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [item for item in headers if item[0].lower() not in _OURS]
            return start_response(status, kept + added, exc_info)

        if ids.problem:
            return error_response(431, ids.problem)(environ, start)
        return self.app(environ, start)  # type: ignore[no-any-return]


def create_app(script: EntryScript, settings: Settings, model_digest: str) -> Flask:
    """The application.

    Parameters
    ----------
    script : EntryScript
        Loaded and initialised.
    settings : Settings
        The host's settings.
    model_digest : str
        ``sha256:<hex>`` of the artifact that was loaded; empty when there is none. Sent as ``x-model-digest``.
    """
    app = HostFlask("scoring", static_folder=None)
    swagger = Swagger(script, settings)

    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)

    @app.get("/")
    def health() -> str:
        return "Healthy"

    @app.get("/livez")
    @app.get("/readyz")
    def probe() -> Response:
        # Only asked here when the application runs without the front process, which answers these itself.
        return json_response({"status": "ok"})

    @app.get("/swagger.json")
    def specification() -> Response:
        try:
            return json_response(swagger.get(request.args.get("version", "2")))
        except UnknownVersion as error:
            return error_response(404, str(error))

    def score() -> Response:
        try:
            output, milliseconds = script.call(request._get_current_object())  # type: ignore[attr-defined]
        except BadInput as error:
            if error.status == 405 and request.method == "OPTIONS":
                response = Response("", 200)
                response.headers[FAILED_HEADER] = "False"
                return response
            return error_response(error.status, str(error))
        except ScoringTimeout:
            log.line("error", "scoring_timeout", limit_ms=script.timeout_ms, traceback=traceback.format_exc())
            return error_response(500, f"Scoring timeout after {script.timeout_ms} ms", failed=True)
        except ScoringFailed as error:
            log.line("error", "scoring_failed", traceback="".join(traceback.format_exception(error.__cause__)))
            return error_response(500, SCRIPT_FAILED, failed=True)
        if isinstance(output, Response):
            if output.status_code >= 500:
                output.headers[FAILED_HEADER] = "True"
            response = output
        else:
            response = _wrap(output)
        response.headers.add("x-ms-run-fn-exec-ms", f"{milliseconds:.3f}")
        return response

    app.add_url_rule("/score", "score", score, methods=["GET", "POST", "OPTIONS"], provide_automatic_options=False)

    always = [("x-ms-server-version", settings.server_version)] if settings.server_version else []
    app.wsgi_app = Identity(app.wsgi_app, always, model_digest)  # type: ignore[method-assign]

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        response = error_response(error.code or 500, error.description or HTTPStatus(error.code or 500).phrase)
        if error.code == 405:
            allowed = getattr(error, "valid_methods", None)
            if allowed:
                response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.errorhandler(Exception)
    def unexpected(_error: Exception) -> Response:
        log.line("error", "internal_error", traceback=traceback.format_exc())
        return error_response(500, INTERNAL)

    return app


def _wrap(output: Any) -> Response:
    """What a plain return value becomes. Unencodable: 500 by way of :func:`unexpected`."""
    try:
        return json_response({} if output is None else output)
    except ValueError as error:
        log.line("error", "result_not_json", message=str(error))
        if "JSON compliant" not in str(error):
            raise
        return error_response(500, NOT_FINITE, failed=True)


def golden_check(app: Flask, request_document: Any) -> tuple[int, Any]:
    """Send a request document to ``/score`` inside this process.

    Returns
    -------
    tuple
        Status and the answer's JSON (its text when it is not JSON).
    """
    client = app.test_client()
    answer = client.post("/score", data=json.dumps(request_document), content_type="application/json")
    text = answer.get_data(as_text=True)
    try:
        return answer.status_code, json.loads(text)
    except ValueError:
        return answer.status_code, text
