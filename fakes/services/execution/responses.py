"""The execution service over HTTP."""

from __future__ import annotations

import json
from typing import Any

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.execution import models

Document = dict[str, Any]


def _run_id(call: Call) -> str:
    run_id = call.arg("runId")
    if not run_id:
        raise bad_request("The query parameter runId is required.")
    return run_id


def _definition(call: Call, *fields: str) -> Document:
    """The run definition among the uploaded files."""
    for name in fields:
        for part in call.request.files.getlist(name):
            if part.filename == "definition.json":
                found = json.loads(part.read())
                if isinstance(found, dict):
                    return found
    raise bad_request("The request holds no definition.json.")


def _archive(call: Call, field: str, filename: str) -> bytes:
    for part in call.request.files.getlist(field):
        if part.filename == filename:
            return part.read()
    raise bad_request(f"The request holds no {filename}.")


def start_snapshot_run(call: Call) -> Response:
    """Run a script from a snapshot on a compute target."""
    definition = call.json_object()
    snapshot = definition.get("SnapshotId")
    if not snapshot:
        raise bad_request("SnapshotId is required.")
    unpack = models.snapshot_source(call.state, call.workspace, snapshot)
    run = models.begin(
        call.state, call.workspace, call.params["experiment"], _run_id(call), definition, unpack, host=call.host
    )
    return json_response({"runId": run["runId"]})


def start_zip_run(call: Call) -> Response:
    """Run a script from an archive on a compute target."""
    definition = _definition(call, "runDefinitionFile")
    unpack = models.zip_source(_archive(call, "projectZipFile", "project.zip"))
    run = models.begin(
        call.state, call.workspace, call.params["experiment"], _run_id(call), definition, unpack, host=call.host
    )
    return json_response({"runId": run["runId"]})


def cancel_run(call: Call) -> Response:
    """Ask a run to stop."""
    models.cancel(call.state, call.workspace, call.params["run"])
    return empty_response(200)
