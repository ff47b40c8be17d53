"""Answers of the artifact service."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.artifacts.models import ORIGINS, PAGE, Artifact, ArtifactsBackend

BATCH = 50


def _backend(call: Call) -> ArtifactsBackend:
    return call.state.backend(ArtifactsBackend)


def _box(call: Call) -> tuple[str, str]:
    origin, container = call.params["origin"], call.params["container"]
    _known_origin(call, origin)
    return origin, container


def _known_origin(call: Call, origin: str) -> None:
    if call.strict and origin not in ORIGINS:
        raise bad_request(f"The artifact origin '{origin}' is not one of {', '.join(ORIGINS)}.", "UserError")


def _document(call: Call, artifact: Artifact) -> dict[str, Any]:
    return {
        "artifactId": artifact.id,
        "origin": artifact.origin,
        "container": artifact.container,
        "path": artifact.path,
        "etag": f'"{artifact.etag}"',
        "createdTime": artifact.created,
        "dataPath": artifact.place and {"dataStoreName": artifact.place[0], "relativePath": artifact.id},
        "tags": {},
    }


def _content(call: Call, artifact: Artifact, permissions: str = "r") -> dict[str, Any]:
    return {
        "contentUri": _backend(call).url(call.workspace, artifact, permissions),
        "origin": artifact.origin,
        "container": artifact.container,
        "path": artifact.path,
        "tags": {},
    }


def create_batch(call: Call) -> Response:
    """Make artifacts and answer with an address to write each."""
    origin, container = _box(call)
    body = call.json_object()
    paths = body.get("paths")
    if not isinstance(paths, list) or not all(isinstance(p, dict) and isinstance(p.get("path"), str) for p in paths):
        raise bad_request("'paths' must be a list of objects with a 'path'.", "UserError")
    if call.strict and len(paths) > BATCH:
        raise bad_request(f"At most {BATCH} artifacts can be created with one request, not {len(paths)}.", "UserError")
    artifacts, contents, errors = {}, {}, {}
    for entry in paths:
        sent = entry["path"]
        artifact = _backend(call).create(call.workspace, origin, container, sent, call.arg("datastoreName"))
        if _backend(call).has_content(call.workspace, artifact):
            # https://github.com/lightly-ai/lightly-train/issues/256
            message = f"Resource Conflict: ArtifactId {artifact.id} already exists."
            errors[sent] = {"error": {"code": "UserError", "message": message, "details": []}}
            continue
        artifacts[sent] = _document(call, artifact)
        contents[sent] = _content(call, artifact, "rcw")
    return json_response({"artifacts": artifacts, "artifactContentInformation": contents, "errors": errors})


def create_one(call: Call) -> Response:
    """Make one artifact."""
    body = call.json_object()
    try:
        origin, container, path = body["origin"], body["container"], body["path"]
    except KeyError as error:
        raise bad_request(f"The field {error} is required.", "UserError") from error
    _known_origin(call, origin)
    return json_response(_document(call, _backend(call).create(call.workspace, origin, container, path)))


def get_metadata(call: Call) -> Response:
    """Answer with one artifact."""
    artifact = _backend(call).get(call.workspace, *_box(call), call.params["path"])
    return json_response(_document(call, artifact))


def delete_metadata(call: Call) -> Response:
    """Delete one artifact. Without a path it is none: the container must not go for it."""
    if not call.params["path"]:
        raise bad_request("The artifact path is required.", "UserError")
    _backend(call).delete(call.workspace, *_box(call), call.params["path"])
    return empty_response(200)


def delete_container(call: Call) -> Response:
    """Delete every artifact of a container."""
    _backend(call).delete(call.workspace, *_box(call))
    return empty_response(200)


def content_information(call: Call) -> Response:
    """Answer with an address to read one artifact."""
    return json_response(_content(call, _backend(call).get(call.workspace, *_box(call), call.params["path"])))


def write_address(call: Call) -> Response:
    """Answer with an address to write one artifact."""
    artifact = _backend(call).create(call.workspace, *_box(call), call.params["path"])
    return json_response(_content(call, artifact, "racw"))


def _page(call: Call, found: list[Artifact]) -> tuple[list[Artifact], str | None]:
    after = call.arg("continuationToken") or ""
    rest = [artifact for artifact in found if artifact.path > after] if after else found
    page = rest[:PAGE]
    return page, page[-1].path if len(rest) > PAGE else None


def list_contents(call: Call) -> Response:
    """Answer with addresses to read the artifacts at and below a prefix."""
    found = _backend(call).below(call.workspace, *_box(call), call.params["prefix"])
    page, token = _page(call, found)
    return json_response({"value": [_content(call, a) for a in page], "continuationToken": token, "nextLink": None})


def list_artifacts(call: Call) -> Response:
    """Answer with the artifacts of a container, or at and below a path of it."""
    found = _backend(call).below(call.workspace, *_box(call), call.params.get("path", ""))
    page, token = _page(call, found)
    return json_response({"value": [_document(call, a) for a in page], "continuationToken": token, "nextLink": None})


def upload(call: Call) -> Response:
    """Take an artifact's content."""
    origin, container = _box(call)
    backend = _backend(call)
    write = backend.append if call.flag("append") else backend.write
    return json_response(_document(call, write(call.workspace, origin, container, call.params["path"], call.content)))


def download(call: Call) -> Response:
    """Answer with an artifact's content."""
    artifact = _backend(call).get(call.workspace, *_box(call), call.params["path"])
    blob = _backend(call).blob(call.workspace, artifact)
    if blob.size <= call.state.settings.memory_body:
        return Response(blob.data, 200, content_type="application/octet-stream")
    headers = {"Content-Length": str(blob.size)}
    return Response(blob.chunks(0, blob.size), 200, headers, content_type="application/octet-stream")
