"""Answers of the asset service."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from werkzeug import Response

from fakes.core.errors import AzureError
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.assets.models import AssetsBackend
from fakes.services.models.patching import apply_patch


def _backend(call: Call) -> AssetsBackend:
    return call.state.backend(AssetsBackend)


def create_asset(call: Call) -> Response:
    """Create an asset."""
    return json_response(_backend(call).create(call.workspace, call.json_object()).document)


def get_asset(call: Call) -> Response:
    """Answer with one asset."""
    return json_response(_backend(call).get(call.workspace, call.params["id"]).document)


def list_assets(call: Call) -> Response:
    """Answer with a page of the assets, newest first."""
    for name in ("tag", "tags", "properties", "type", "orderby"):
        if call.arg(name):
            raise AzureError(501, "NotImplementedByFake", f"Assets are not searched by {name} by this fake.")
    found = _backend(call).all(call.workspace, name=call.arg("name"), run_id=call.arg("runId"))
    count, start = call.number("count", 1000, 1, 10000), call.number("$skipToken", 0, 0, 2**31)
    body: dict[str, Any] = {"value": [asset.document for asset in reversed(found)][start : start + count]}
    if start + count < len(found):
        scope = f"{call.workspace.api_url}/modelmanagement/v1.0{call.workspace.arm_id}"
        asked = {name: call.arg(name) for name in ("name", "runId", "count") if call.arg(name)}
        body["nextLink"] = f"{scope}/assets?{urlencode({**asked, '$skipToken': start + count}, safe='$')}"
    return json_response(body)


def patch_asset(call: Call) -> Response:
    """Change an asset."""
    asset = _backend(call).get(call.workspace, call.params["id"])
    asset.document = apply_patch(asset.document, call.json(), {"description", "kvTags", "properties", "meta"})
    return json_response(asset.document)


def delete_asset(call: Call) -> Response:
    """Delete an asset."""
    _backend(call).delete(call.workspace, call.params["id"])
    return empty_response(200)
