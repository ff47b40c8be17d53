"""The execution service over HTTP."""

from __future__ import annotations

import io
import json
from typing import Any

from werkzeug import Response
from werkzeug.formparser import FormDataParser

from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.execution import models

Document = dict[str, Any]


def _run_id(call: Call) -> str:
    run_id = call.arg("runId")
    if not run_id:
        raise bad_request("The query parameter runId is required.")
    return run_id


def _parts(call: Call) -> dict[tuple[str, str], bytes]:
    """The uploaded files by field and file name. The body was read before: it is parsed again from there."""
    _, _, files = FormDataParser(silent=False).parse(
        io.BytesIO(call.body), call.request.mimetype, len(call.body), call.request.mimetype_params
    )
    return {(field, part.filename or ""): part.read() for field, part in files.items(multi=True)}


def _part(call: Call, field: str, filename: str) -> bytes:
    try:
        found = _parts(call).get((field, filename))
    except ValueError as error:
        raise bad_request(f"The request is not multipart: {error}") from error
    if found is None:
        raise bad_request(f"The request holds no {filename}.")
    return found


def _definition(call: Call, field: str) -> Document:
    """The run definition among the uploaded files."""
    try:
        found = json.loads(_part(call, field, "definition.json"))
    except ValueError as error:
        raise bad_request(f"definition.json is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise bad_request("definition.json is no JSON object.")
    return found


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
    unpack = models.zip_source(_part(call, "projectZipFile", "project.zip"))
    run = models.begin(
        call.state, call.workspace, call.params["experiment"], _run_id(call), definition, unpack, host=call.host
    )
    return json_response({"runId": run["runId"]})


def start_local_run(call: Call) -> Response:
    """Run a script on the machine of the client: it gets an archive with a program that starts it."""
    definition, experiment = _definition(call, "files"), call.params["experiment"]
    run = models.begin(call.state, call.workspace, experiment, _run_id(call), definition, None, host=call.host)
    archive = models.local_archive(call.state, call.workspace, experiment, run)
    return Response(archive, 200, content_type="application/zip")


def cancel_run(call: Call) -> Response:
    """Ask a run to stop."""
    models.cancel(call.state, call.workspace, call.params["run"])
    return empty_response(200)
