"""The modules that entry scripts import for raw HTTP, under the names that Azure's server gives them.

``azureml.contrib.services.aml_request`` / ``aml_response`` and ``azureml_inference_server_http.api.*`` hold
``rawhttp``, ``AMLRequest`` and ``AMLResponse``
(https://learn.microsoft.com/azure/machine-learning/how-to-deploy-advanced-entry-script).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from flask import Request, Response

Run = TypeVar("Run", bound=Callable[..., Any])
_REWRITTEN = ("location", "content-location")


class AMLRequest(Request):
    """The request that a ``@rawhttp`` run receives has this interface."""


class AMLResponse(Response):
    """An answer that an entry script builds itself.

    Parameters
    ----------
    message
        Body: text or bytes; with `json_str` anything that JSON can hold; ``None`` gives ``{}``.
    status_code : int
        HTTP status code.
    response_headers : mapping of str to str, optional
        A value with commas becomes one header a part.
    json_str : bool
        Encode `message` as JSON.
    run_function_failed : bool
        Value of ``x-ms-run-function-failed``.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        given = response_headers or {}
        if message is None or json_str:
            body = json.dumps({} if message is None else message)
            super().__init__(body, status=status_code, mimetype="application/json")
        else:
            kind = given.get("Content-Type")
            super().__init__(message, status=status_code, content_type=kind if kind and "," not in kind else None)
            if kind is not None:
                given = {name: value for name, value in given.items() if name != "Content-Type"}
        self.headers["x-ms-run-function-failed"] = str(run_function_failed)
        for name, value in given.items():
            for part in value.split(","):
                self.headers.add(name, part.strip())

    def get_wsgi_response(self, environ: Any) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """See werkzeug, which copies and searches the headers twice; a whole body with status 200 needs none of it."""
        body = self.response
        if self.status_code != 200 or type(body) is not list or self._on_close or environ["REQUEST_METHOD"] == "HEAD":
            return super().get_wsgi_response(environ)
        headers = list(self.headers)
        if len(body) != 1 or type(body[0]) is not bytes or any(name.lower() in _REWRITTEN for name, _ in headers):
            return super().get_wsgi_response(environ)
        return body, self.status, headers


def rawhttp(run: Run) -> Run:
    """Mark `run` as one that takes the HTTP request itself."""
    request_module()._rawHttpRequested = True  # type: ignore[attr-defined]
    return run


REQUEST_NAMES = ("azureml.contrib.services.aml_request", "azureml_inference_server_http.api.aml_request")
RESPONSE_NAMES = ("azureml.contrib.services.aml_response", "azureml_inference_server_http.api.aml_response")


def request_module() -> ModuleType:
    """The module that scripts import ``rawhttp`` from; it holds whether they used it."""
    return sys.modules[REQUEST_NAMES[0]]


def install() -> None:
    """Put the modules in place; idempotent. The import system finds them by full name, so no parent is needed."""
    request = ModuleType(REQUEST_NAMES[0])
    request.__dict__.update(rawhttp=rawhttp, AMLRequest=AMLRequest, Request=Request, _rawHttpRequested=False)
    response = ModuleType(RESPONSE_NAMES[0])
    response.__dict__.update(AMLResponse=AMLResponse, Response=Response)
    for name in REQUEST_NAMES:
        sys.modules[name] = request
    for name in RESPONSE_NAMES:
        sys.modules[name] = response


def raw_requested() -> bool:
    """Whether the script used ``@rawhttp``."""
    return bool(getattr(request_module(), "_rawHttpRequested", False))
