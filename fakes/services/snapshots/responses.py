"""Snapshots over HTTP."""

from __future__ import annotations

import io
import zipfile

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, json_response
from fakes.services.blob.models import BlobBackend
from fakes.services.snapshots.backend import SnapshotsBackend
from fakes.services.snapshots.models import Snapshots

CONTAINER = "snapshots"
ZIPS = "snapshotzips"


def _snapshots(call: Call) -> Snapshots:
    return call.state.backend(SnapshotsBackend).of(call.workspace)


def get_latest(call: Call) -> Response:
    """The newest snapshot, or an empty one."""
    held = _snapshots(call).latest()
    return json_response({"id": held["id"], "root": held["root"]})


def get_metadata(call: Call) -> Response:
    """One snapshot without its content."""
    held = _snapshots(call).get(call.params["snapshot"])
    return json_response({name: value for name, value in held.items() if name != "files"})


def get_blobs(call: Call) -> Response:
    """Addresses to upload files to."""
    names = call.json_object().get("FileNames")
    if not isinstance(names, list):
        raise bad_request("FileNames must be a list.")
    account = call.workspace.storage_account
    blobs = call.state.backend(BlobBackend)
    blobs.ensure_container(account, CONTAINER)
    nodes = []
    for name in names:
        key = f"{call.workspace.workspace_id}/{call.state.ids.guid()}"
        nodes.append({"fullName": name, "blobUri": blobs.sas_url(account, CONTAINER, key, "rcw")})
    return json_response({"fileNodes": nodes})


def create(call: Call) -> Response:
    """Keep a snapshot."""
    held = _snapshots(call).create(call.params["snapshot"], call.json_object())
    blobs = call.state.backend(BlobBackend)
    for blob in held["files"].values():
        container, _, key = blob.partition("/")
        blobs.get(call.workspace.storage_account, container, key)
    return json_response({name: value for name, value in held.items() if name != "files"})


def get_zip(call: Call) -> Response:
    """A snapshot as one file to download."""
    held = _snapshots(call).get(call.params["snapshot"])
    account, blobs = call.workspace.storage_account, call.state.backend(BlobBackend)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, blob in held["files"].items():
            container, _, key = blob.partition("/")
            archive.writestr(name, blobs.get(account, container, key).data)
    blobs.ensure_container(account, ZIPS)
    blobs.put(account, ZIPS, f"{held['id']}.zip", buffer.getvalue(), content_type="application/zip")
    return json_response({"zipSasUri": blobs.sas_url(account, ZIPS, f"{held['id']}.zip")})
