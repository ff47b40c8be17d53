"""Requests that reach every route, and a story that succeeds: what both doors must answer alike."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fakes.core import hosts
from fakes.core.application import discover
from fakes.core.routing import expand
from fakes.doors.activation import Fake

HOSTS = {
    hosts.SIGNIN: "login.microsoftonline.com",
    hosts.ARM: "management.azure.com",
    hosts.API: "westeurope.api.azureml.ms",
    hosts.REGISTRY: "fakewsacr.azurecr.io",
    hosts.SCORING: "nobody.westeurope.azurecontainer.io",
    hosts.TELEMETRY: "dc.services.visualstudio.com",
}


@dataclass
class Ask:
    """One request."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    operation: str | None = None


def every_route(fake: Fake) -> Iterator[Ask]:
    """Return a request for each route but those of the admin address, which only the server has."""
    workspace = fake.state.workspace()
    known = {
        "subscription": workspace.subscription_id,
        "resource_group": workspace.resource_group,
        "workspace_name": workspace.name,
        "tenant": fake.settings.tenant_id,
        "container": "azureml",
        "location": "westeurope",
    }
    auth = {"Authorization": f"Bearer {fake.token()}", "Content-Type": "application/json"}
    for service in discover():
        if service.family == hosts.ADMIN:
            continue
        host = HOSTS.get(service.family, f"{workspace.storage_account}.blob.core.windows.net")
        for route in service.routes:
            path = re.sub(r"\{(\w+)\*?\}", lambda m: known.get(m.group(1), "some thing"), expand(route.template))
            query = [f"{name}={value}" for name, value in route.when if value is not None]
            version = route.api_versions[0] if route.api_versions else "2022-05-01"
            query += [f"api-version={version}"] if route.api_versions or service.family == hosts.ARM else []
            url = f"https://{host}{quote(path)}" + (f"?{'&'.join(query)}" if query else "")
            body = b"{}" if route.method in ("POST", "PUT", "PATCH") else None
            yield Ask(route.method, url, dict(auth), body, route.operation)


def odd(fake: Fake) -> Iterator[Ask]:
    """Return requests that are unusual on the wire."""
    auth = {"Authorization": f"Bearer {fake.token()}"}
    scope = fake.state.workspace().arm_id
    models = f"https://westeurope.api.azureml.ms/modelmanagement/v1.0{scope}/models"
    yield Ask("GET", "https://management.azure.com//subscriptions?api-version=2022-12-01", auth)
    yield Ask("GET", "https://management.azure.com/subscriptions", auth)
    yield Ask("GET", "https://management.azure.com/subscriptions?api-version=latest", auth)
    yield Ask("GET", f"{models.replace('/v1.0/', '/v1.0//').upper().replace('HTTPS', 'https')}?count=1", auth)
    yield Ask("GET", f"{models}/a%3A1", auth)
    yield Ask("GET", f"{models}/a%2Fb%253A1", auth)
    yield Ask("GET", f"{models}/%C3%BC%20x:1", auth)
    yield Ask("HEAD", f"{models}?count=1", auth)
    yield Ask("POST", models, auth, b"{ not json")
    yield Ask("POST", models, {**auth, "Content-Type": "application/json"}, b'{"name": "\xff"}')
    yield Ask("OPTIONS", models, auth)
    yield Ask("GET", "https://unknown.documents.azure.com.core.windows.net/x?api-version=1", auth)
    yield Ask("GET", "https://nobody.blob.core.windows.net/c/b")
    yield Ask("GET", f"{models}?count=x", auth)
    yield Ask("GET", models)


def story(fake: Fake) -> Iterator[Ask]:
    """Return requests that work: blobs, artifacts, a model, an environment."""
    workspace = fake.state.workspace()
    auth = {"Authorization": f"Bearer {fake.token()}", "Content-Type": "application/json"}
    api, scope = "https://westeurope.api.azureml.ms", workspace.arm_id
    from fakes.services.blob.models import BlobBackend

    blobs = fake.state.backend(BlobBackend)

    def blob(name: str, permissions: str = "racwd", query: str = "") -> str:
        address, _, signature = blobs.sas_url(workspace.storage_account, "azureml", name, permissions).partition("?")
        return f"{quote(address, safe=':/')}?{signature}{query}"

    kind = {"x-ms-blob-type": "BlockBlob", "x-ms-meta-Owner": "me", "Content-Type": "text/plain"}
    yield Ask("PUT", blob("a b/c%.txt"), kind, b"0123456789")
    yield Ask("PUT", blob("a b/c%.txt"), {**kind, "If-None-Match": "*"}, b"")
    yield Ask("GET", blob("a b/c%.txt"))
    yield Ask("GET", blob("a b/c%.txt"), {"x-ms-range": "bytes=2-4"})
    yield Ask("GET", blob("a b/c%.txt"), {"Range": "bytes=99-"})
    yield Ask("HEAD", blob("a b/c%.txt"))
    yield Ask("HEAD", blob("none"))
    block = base64.b64encode(b"0001").decode()
    yield Ask("PUT", blob("big", query=f"&comp=block&blockid={quote(block)}"), {}, b"block")
    blocks = f"<BlockList><Latest>{block}</Latest></BlockList>".encode()
    yield Ask("PUT", blob("big", query="&comp=blocklist"), {"Content-Type": "application/xml"}, blocks)
    yield Ask("GET", blob("big", query="&comp=blocklist&blocklisttype=all"))
    yield Ask("PUT", blob("log"), {"x-ms-blob-type": "AppendBlob"}, b"")
    yield Ask("PUT", blob("log", query="&comp=appendblock"), {}, b"line\n")
    yield Ask("DELETE", blob("log"))
    batch = b'{"paths": [{"path": "m.pkl"}]}'
    yield Ask("POST", f"{api}/artifact/v2.0{scope}/artifacts/batch/metadata/LocalUpload/x1", auth, batch)
    yield Ask("POST", f"{api}/artifact/v2.0{scope}/artifacts/content/LocalUpload/x1/m.pkl", auth, b"weights")
    yield Ask("GET", f"{api}/artifact/v2.0{scope}/artifacts/prefix/contentinfo/LocalUpload/x1/m.pkl", auth)
    yield Ask("GET", f"{api}/artifact/v2.0{scope}/artifacts/content/LocalUpload/x1/m.pkl", auth)
    model = b'{"name": "m", "url": "aml://artifact/LocalUpload/x1/m.pkl", "mimeType": "application/json"}'
    for _ in range(3):
        yield Ask("POST", f"{api}/modelmanagement/v1.0{scope}/models", auth, model)
    yield Ask("GET", f"{api}/modelmanagement/v1.0{scope}/models?count=2", auth)
    yield Ask("GET", f"{api}/modelmanagement/v1.0{scope}/models/m%3A2", auth)
    yield Ask("DELETE", f"{api}/modelmanagement/v1.0{scope}/models/m:2", auth)
    definition = b'{"Name": "e", "python": {"userManagedDependencies": true}}'
    yield Ask("PUT", f"{api}/environment/v1.0{scope}/environments/e", auth, definition)
    yield Ask("GET", f"{api}/environment/v1.0{scope}/environments/e", auth)


def asks(fake: Fake) -> list[Ask]:
    """Return the whole corpus."""
    return [*story(fake), *odd(fake), *every_route(fake)]


def shown(value: Any) -> str:
    """Return a short form for a message."""
    return repr(value)[:300]
