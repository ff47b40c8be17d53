"""The registry over HTTP: signing in as Docker does it, reading and pushing.

Sources: OCI distribution specification 1.1; Docker's token authentication specification; Azure Container Registry,
"Authenticate with an Azure container registry" (admin account).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from werkzeug import Response

from fakes.core import hosts
from fakes.core.errors import AzureError
from fakes.core.exchange import Joined
from fakes.core.routing import Call, empty_response, json_response
from fakes.core.tenancy import Workspace
from fakes.services.containerregistry.models import MANIFEST, ContainerRegistry, Manifest, Upload

_NAME = r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
_UPLOAD = re.compile(rf"(?P<name>{_NAME})/blobs/uploads/?(?P<id>[0-9a-f-]*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_MANIFEST = 4 * 1024 * 1024
_REFERENCE = rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}|{_DIGEST.pattern}"
_PATH = re.compile(rf"(?P<name>{_NAME})/(?P<kind>manifests|blobs|tags)/(?P<reference>{_REFERENCE})")
_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_REFUSED = "authentication required, visit https://aka.ms/acr/authorization for more information."


def _backend(call: Call) -> ContainerRegistry:
    return call.state.backend(ContainerRegistry)


def _workspace(call: Call) -> Workspace:
    """The workspace that owns the registry; a loopback address is that of the workspace of the settings."""
    if call.service.family == hosts.ADMIN:
        return call.state.workspace()
    return _backend(call).workspace(call.host.partition(".")[0])


def _authorize(call: Call, scope: str = "") -> str:
    """Return the registry's name; 401 with the address of the token service when the caller shows no credentials."""
    workspace = _workspace(call)
    service = call.request.host
    authorization = call.request.authorization
    if authorization is not None and authorization.type == "basic":
        user, password = authorization.username or "", authorization.password or ""
        if _backend(call).allows(workspace, user, password):
            return workspace.container_registry
    elif authorization is not None and authorization.type == "bearer":
        try:
            call.principal = call.state.tokens.check(call.request.headers["Authorization"], (service,))
        except AzureError:
            pass  # the challenge below says where to get a token that is good
        else:
            return workspace.container_registry
    realm = f"{call.request.scheme}://{service}/oauth2/token"
    challenge = f'Bearer realm="{realm}",service="{service}"' + (f',scope="{scope}"' if scope else "")
    raise AzureError(401, "UNAUTHORIZED", _REFUSED, headers={"WWW-Authenticate": challenge, **_VERSION})


def check(call: Call) -> Response:
    """Answer that this is a registry, to who may use it."""
    _authorize(call)
    return json_response({}, headers=_VERSION)


def token(call: Call) -> Response:
    """Exchange the admin user's name and password for a token."""
    form = {name: values[-1] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
    basic = call.request.authorization
    if basic is not None and basic.type == "basic":
        user, password = basic.username or "", basic.password or ""
    else:
        user, password = form.get("username", ""), form.get("password", "")
    if not _backend(call).allows(_workspace(call), user, password):
        raise AzureError(401, "UNAUTHORIZED", _REFUSED, headers=_VERSION)
    service = form.get("service") or call.arg("service") or ""
    if service != call.request.host:
        raise AzureError(400, "UNSUPPORTED", f"The service '{service}' is not this registry.", headers=_VERSION)
    issued = call.state.tokens.issue(audience=service, kind="acr", name=user)
    return json_response({"access_token": issued, "expires_in": 3600})


def read(call: Call) -> Response:
    """Answer with a manifest, a blob, or the tags of a repository."""
    if _UPLOAD.fullmatch(call.params["path"]):
        return _upload_status(call)
    name, kind, reference = _parts(call)
    registry, backend = _authorize(call, f"repository:{name}:pull"), _backend(call)
    with call.state.lock:
        if kind == "tags":
            tags = sorted(backend.repository(registry, name).tags)
            if not backend.repository(registry, name).manifests:
                raise AzureError(404, "NAME_UNKNOWN", "repository name not known to registry", headers=_VERSION)
            return json_response({"name": name, "tags": tags}, headers=_VERSION)
        if kind == "manifests":
            digest, manifest = backend.manifest(registry, name, reference)
            headers = {**_VERSION, "Docker-Content-Digest": digest}
            return Response(manifest.text, 200, headers, content_type=manifest.kind)
        content = backend.blob(registry, name, reference)
    headers = {**_VERSION, "Docker-Content-Digest": reference, "Content-Length": str(content.size)}
    if call.request.method == "HEAD":
        response = empty_response(200, headers)
        response.headers["Content-Length"] = str(content.size)
        return response
    return Response(content.chunks(), 200, headers, content_type="application/octet-stream")


def _parts(call: Call) -> tuple[str, str, str]:
    path = _PATH.fullmatch(call.params["path"])
    if path is None:
        raise AzureError(404, "NAME_INVALID", "invalid repository name", headers=_VERSION)
    return path["name"], path["kind"], path["reference"]


# ---- pushing


def _pushing(call: Call) -> tuple[str, str, str]:
    """Return registry, repository and upload of a request that writes a blob."""
    path = _UPLOAD.fullmatch(call.params["path"])
    if path is None:
        raise AzureError(404, "NAME_INVALID", "invalid repository name", headers=_VERSION)
    return _authorize(call, f"repository:{path['name']}:pull,push"), path["name"], path["id"]


def _at(call: Call, name: str, upload_id: str, upload: Upload, status: int) -> Response:
    headers = {
        **_VERSION,
        "Location": f"/v2/{name}/blobs/uploads/{upload_id}",
        "Docker-Upload-UUID": upload_id,
        "Range": f"0-{max(upload.size - 1, 0)}",
    }
    return empty_response(status, headers)


def _made(name: str, kind: str, reference: str, digest: str) -> Response:
    headers = {**_VERSION, "Location": f"/v2/{name}/{kind}/{reference}", "Docker-Content-Digest": digest}
    return empty_response(201, headers)


def start_upload(call: Call) -> Response:
    """Begin to take a blob; take it whole when it comes along, or over from another repository."""
    registry, name, _ = _pushing(call)
    backend, digest = _backend(call), call.arg("digest")
    if digest is not None:
        backend.keep(registry, name, call.content, _digest(digest))
        return _made(name, "blobs", digest, digest)
    with call.state.lock:
        mounted, source = call.arg("mount"), call.arg("from")
        if mounted and source and backend.mount(registry, name, mounted, source):
            return _made(name, "blobs", mounted, mounted)
        upload_id = backend.begin(registry, name)
        return _at(call, name, upload_id, backend.upload(registry, name, upload_id), 202)


def continue_upload(call: Call) -> Response:
    """Take a piece of a blob."""
    registry, name, upload_id = _pushing(call)
    with call.state.lock:
        upload = _backend(call).upload(registry, name, upload_id)
        begin = call.request.headers.get("Content-Range", "").partition("-")[0]
        if begin and begin != str(upload.size):
            raise AzureError(416, "BLOB_UPLOAD_INVALID", f"the next piece begins at {upload.size}", headers=_VERSION)
        upload.parts.append(call.content)
        return _at(call, name, upload_id, upload, 202)


def _upload_status(call: Call) -> Response:
    registry, name, upload_id = _pushing(call)
    with call.state.lock:
        return _at(call, name, upload_id, _backend(call).upload(registry, name, upload_id), 204)


def write(call: Call) -> Response:
    """Take the last piece of a blob, or a manifest."""
    if not _UPLOAD.fullmatch(call.params["path"]):
        return _put_manifest(call)
    registry, name, upload_id = _pushing(call)
    digest = _digest(call.arg("digest") or "")
    with call.state.lock:
        upload = _backend(call).upload(registry, name, upload_id)
        del _backend(call).uploads[upload_id]
    parts = [part for part in [*upload.parts, call.content] if part.size]
    # Outside the lock: it may be large.
    whole = parts[0] if len(parts) == 1 else call.state.spool.take(Joined(chunk for p in parts for chunk in p.chunks()))
    _backend(call).keep(registry, name, whole, digest)
    return _made(name, "blobs", digest, digest)


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise AzureError(400, "DIGEST_INVALID", f"'{text}' is no digest", headers=_VERSION)
    return text


def _put_manifest(call: Call) -> Response:
    name, kind, reference = _parts(call)
    registry = _authorize(call, f"repository:{name}:pull,push")
    if kind != "manifests":
        raise AzureError(405, "UNSUPPORTED", f"The operation is unsupported: {kind} are not put.", headers=_VERSION)
    if call.content.size > MOST_MANIFEST:
        raise AzureError(413, "MANIFEST_INVALID", "manifest invalid: it is larger than 4 MB", headers=_VERSION)
    manifest = Manifest(call.body, call.request.headers.get("Content-Type", MANIFEST))
    with call.state.lock:
        digest = _backend(call).put_manifest(registry, name, reference, manifest)
    return _made(name, "manifests", reference, digest)


def delete(call: Call) -> Response:
    """Give up an upload, or forget a tag or a manifest."""
    if _UPLOAD.fullmatch(call.params["path"]):
        registry, name, upload_id = _pushing(call)
        with call.state.lock:
            _backend(call).upload(registry, name, upload_id)
            del _backend(call).uploads[upload_id]
        return empty_response(204, _VERSION)
    name, kind, reference = _parts(call)
    registry = _authorize(call, f"repository:{name}:delete")
    if kind != "manifests":
        raise AzureError(
            405, "UNSUPPORTED", "The operation is unsupported: only manifests are deleted.", headers=_VERSION
        )
    with call.state.lock:
        _backend(call).delete_manifest(registry, name, reference)
    return empty_response(202, _VERSION)
