"""Cross-origin requests: only for the origins of ``AML_CORS_ORIGINS``, methods GET and POST.

The rules are those that azureml-inference-server-http 1.5 (by way of Flask-CORS) was seen to follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the front process uses this module too, and never loads Flask
    from flask import Flask, Response

METHODS = ("GET", "POST")


def cors_headers(
    origins: tuple[str, ...], origin: str, method: str, asked_method: str, asked_headers: str
) -> list[tuple[str, str]]:
    """The headers of an answer.

    Parameters
    ----------
    origins : tuple of str
        Allowed origins; ``*`` stands for all.
    origin, asked_method, asked_headers : str
        The request's ``Origin``, ``Access-Control-Request-Method`` and ``Access-Control-Request-Headers``.
    method : str
        The request's method; OPTIONS is a pre-flight request.
    """
    everyone = "*" in origins
    if not origin:
        value = "*" if everyone else min(origins)
    elif everyone or origin.lower() in {each.lower() for each in origins}:
        value = origin
    else:
        return []
    headers = [("Access-Control-Allow-Origin", value)]
    if value != "*" and (everyone or len(origins) > 1):
        headers.append(("Vary", "Origin"))
    if method == "OPTIONS" and asked_method.upper() in METHODS:
        headers.append(("Access-Control-Allow-Methods", ", ".join(METHODS)))
        if asked_headers:
            headers.append(("Access-Control-Allow-Headers", asked_headers))
    return headers


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Add the headers to the answers of all routes (not to 404 and 405)."""
    from flask import request

    @app.after_request
    def add_headers(response: Response) -> Response:
        if request.routing_exception is None:
            given = request.headers
            for name, value in cors_headers(
                origins,
                given.get("Origin", ""),
                request.method,
                given.get("Access-Control-Request-Method", ""),
                given.get("Access-Control-Request-Headers", ""),
            ):
                response.headers.add(name, value)
        return response
