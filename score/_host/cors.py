"""Cross-origin requests: only for the origins of ``AML_CORS_ORIGINS``, methods GET and POST."""

from __future__ import annotations

from flask import Flask, Response, request

METHODS = "GET, POST"


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Answer pre-flight requests and add ``Access-Control-Allow-Origin`` for `origins` (``*``: all)."""
    everyone = "*" in origins
    allowed = {origin.lower() for origin in origins}

    @app.after_request
    def add_headers(response: Response) -> Response:
        origin = request.headers.get("Origin", "")
        if everyone:
            if not origin:
                return response
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            if len(allowed) > 1 or origin:
                response.headers.add("Vary", "Origin")
            if origin.lower() not in allowed:
                return response
            response.headers["Access-Control-Allow-Origin"] = origin
        asked = request.headers.get("Access-Control-Request-Method", "")
        if request.method == "OPTIONS" and asked:
            response.headers["Access-Control-Allow-Methods"] = METHODS
            wanted = request.headers.get("Access-Control-Request-Headers")
            if wanted:
                response.headers["Access-Control-Allow-Headers"] = wanted
        return response
