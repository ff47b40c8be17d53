"""Answers of the discovery service."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.routing import Call, json_response

KEYS = ("api", "history", "modelmanagement", "experimentation", "hyperdrive", "studio")


def endpoints(call: Call) -> Response:
    """Answer with one address for every part: the host that was asked."""
    return json_response(dict.fromkeys(KEYS, f"https://{call.host}"))
