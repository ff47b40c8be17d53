"""Answers of Application Insights' ingestion."""

from __future__ import annotations

import json

from werkzeug import Response

from fakes.core.routing import Call, json_response


def track(call: Call) -> Response:
    """Answer that every item was accepted; nothing is kept."""
    try:
        items = json.loads(call.body or b"[]")
    except ValueError:
        items = call.body.splitlines()
    count = len(items) if isinstance(items, list) else 1
    return json_response({"itemsReceived": count, "itemsAccepted": count, "errors": []})
