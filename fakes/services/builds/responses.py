"""Environment builds over HTTP."""

from __future__ import annotations

from urllib.parse import quote

from werkzeug import Response

from fakes.core.operations import CANCELED, FAILED, RUNNING
from fakes.core.routing import Call, json_response
from fakes.services.blob.models import BlobBackend
from fakes.services.builds.models import Builds


def start_build(call: Call) -> Response:
    """Start to build an environment version."""
    p = call.params
    operation = call.state.backend(Builds).start(call.workspace, p["name"], p["version"], p.get("compute"))
    workspace = call.workspace
    path = f"/environments/{quote(p['name'], safe='')}/versions/{quote(p['version'], safe='')}/image/{operation.id}"
    location = f"{workspace.api_url}/environment/v2.0{workspace.arm_id}{path}"
    return json_response({"location": location}, 202)


def get_build(call: Call) -> Response:
    """State of a build; the first poll is held until it ends."""
    with call.state.lock:
        build, workspace = call.state.backend(Builds).get(call.params["id"]), call.workspace
    operation = call.state.operations.poll(build.operation)
    status = {RUNNING: "Running", FAILED: "Failed", CANCELED: "Canceled"}.get(operation.status, "Succeeded")
    log = call.state.backend(BlobBackend).sas_url(workspace.storage_account, workspace.container, build.log_blob)
    document = {"status": status, "logUrl": log, "error": operation.error}
    return json_response(document, 200 if operation.finished else 202)


def get_image(call: Call) -> Response:
    """The image of an environment version."""
    return json_response(
        call.state.backend(Builds).image(call.workspace, call.params["name"], call.params.get("version"))
    )
