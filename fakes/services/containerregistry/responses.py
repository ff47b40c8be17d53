"""The registry over HTTP: signing in as Docker does it, and reading.

Sources: OCI distribution specification 1.1; Docker's token authentication specification; Azure Container Registry,
"Authenticate with an Azure container registry" (admin account).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from werkzeug import Response

from fakes.core import hosts
from fakes.core.errors import AzureError
from fakes.core.routing import Call, empty_response, json_response
from fakes.core.tenancy import Workspace
from fakes.services.containerregistry.models import MANIFEST, ContainerRegistry

_PATH = re.compile(r"(?P<name>[a-z0-9._/-]+)/(?P<kind>manifests|blobs|tags)/(?P<reference>[A-Za-z0-9_.:-]+)")
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
    path = _PATH.fullmatch(call.params["path"])
    if path is None:
        raise AzureError(404, "NAME_INVALID", "invalid repository name", headers=_VERSION)
    name, kind, reference = path["name"], path["kind"], path["reference"]
    registry, backend = _authorize(call, f"repository:{name}:pull"), _backend(call)
    with call.state.lock:
        if kind == "tags":
            tags = sorted(backend.repository(registry, name).tags)
            return json_response({"name": name, "tags": tags}, headers=_VERSION)
        if kind == "manifests":
            digest, text = backend.manifest(registry, name, reference)
            return Response(text, 200, {**_VERSION, "Docker-Content-Digest": digest}, content_type=MANIFEST)
        content = backend.blob(registry, name, reference)
    headers = {**_VERSION, "Docker-Content-Digest": reference, "Content-Length": str(content.size)}
    if call.request.method == "HEAD":
        response = empty_response(200, headers)
        response.headers["Content-Length"] = str(content.size)
        return response
    return Response(content.chunks(), 200, headers, content_type="application/octet-stream")
