"""Permissions over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.routing import Call, json_response
from fakes.services.authorization.models import Permissions


def list_permissions(call: Call) -> Response:
    """What the caller may do with a workspace, on one page."""
    _ = call.workspace  # 404 when there is none
    granted = call.state.backend(Permissions).granted
    return json_response({"value": [{"dataActions": [], "notDataActions": [], **each} for each in granted]})
