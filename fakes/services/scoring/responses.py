"""Requests to deployed services over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.environ import RAW_PATH
from fakes.core.routing import Call
from fakes.services.scoring.models import Frontends, Refused


def score(call: Call) -> Response:
    """Hand a request to the container of the service that its address names."""
    request = call.request
    try:
        answer, _ = call.state.backend(Frontends).answer(
            call.host,
            request.method,
            request.environ[RAW_PATH],
            request.environ["QUERY_STRING"],
            list(request.headers.items()),
            call.body,
            request.headers.get("Authorization"),
        )
    except Refused as refused:
        return Response(
            refused.message, refused.status, list(refused.headers), content_type="text/plain; charset=utf-8"
        )
    response = Response(answer.body, answer.status)
    response.headers.clear()
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
