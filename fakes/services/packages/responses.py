"""Model packages over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.routing import Call, empty_response
from fakes.services.packages.models import Packages


def create_package(call: Call) -> Response:
    """Start to make a package."""
    operation = call.state.backend(Packages).create(call.workspace, call.json_object())
    base = f"{call.workspace.api_url}/modelmanagement/v1.0{call.workspace.arm_id}/operations/{operation.id}"
    return empty_response(202, {"Operation-Location": base})
