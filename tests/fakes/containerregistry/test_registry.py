"""The registry as Docker reads it, without Docker: signing in, manifests, layers, tags."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

import fakes
from fakes.services.arm.models import ArmBackend
from fakes.services.containerregistry.models import MANIFEST, ContainerRegistry

PLAIN, SQUEEZED = bytes(2_000_000), gzip.compress(b"a layer")


@dataclass
class Registry:
    """A registry at one of its addresses, with an image in it."""

    base: str
    service: str
    user: str
    password: str
    digest: str

    def token(self, scope: str = "repository:team/line:pull", **more: Any) -> requests.Response:
        query = {"service": self.service, "scope": scope, "account": self.user}
        return requests.get(f"{self.base}/oauth2/token", params=query, auth=(self.user, self.password), **more)

    def get(self, path: str, method: str = "GET", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token().json()['access_token']}"}
        return requests.request(method, f"{self.base}/v2/{path}", headers=headers, **more)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture(params=["inprocess", "server", "loopback"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    door = "server" if request.param == "loopback" else request.param
    with fakes.mock_azure(door=door) as azure:
        workspace = azure.state.workspace()
        backend = azure.state.backend(ContainerRegistry)
        layers = [backend.add_blob(azure.state.spool.keep(data)) for data in (PLAIN, SQUEEZED)]
        digest, _ = backend.add_image(workspace.container_registry, "team/line", "v1", b'{"os":"linux"}', layers)
        address = f"https://{workspace.container_registry}.azurecr.io"
        if request.param == "loopback":
            address = azure.child_environment()["FAKES_ADDRESS"]
        password = azure.state.backend(ArmBackend).registry_password(workspace)
        service = address.partition("//")[2]
        yield Registry(address, service, workspace.container_registry, password, digest)
        assert azure.state.bugs == []


def test_an_image_is_read_by_tag_and_by_digest(registry: Registry) -> None:
    by_tag = registry.get("team/line/manifests/v1")
    assert by_tag.headers["Docker-Content-Digest"] == registry.digest == digest_of(by_tag.content)
    assert by_tag.headers["Content-Type"] == MANIFEST
    assert registry.get(f"team/line/manifests/{registry.digest}").content == by_tag.content
    head = registry.get("team/line/manifests/v1", "HEAD")
    assert (head.content, head.headers["Docker-Content-Digest"]) == (b"", registry.digest)
    document = by_tag.json()
    kinds = [layer["mediaType"].rpartition("layer.v1.")[2] for layer in document["layers"]]
    assert kinds == ["tar", "tar+gzip"]
    for part, data in zip([*document["layers"], document["config"]], [PLAIN, SQUEEZED, b'{"os":"linux"}'], strict=True):
        assert (part["digest"], part["size"]) == (digest_of(data), len(data))
        assert registry.get(f"team/line/blobs/{part['digest']}").content == data
        there = registry.get(f"team/line/blobs/{part['digest']}", "HEAD")
        assert (there.status_code, there.headers["Content-Length"]) == (200, str(len(data)))
    assert registry.get("team/line/tags/list").json() == {"name": "team/line", "tags": ["v1"]}


def test_docker_is_told_where_to_sign_in(registry: Registry) -> None:
    refused = requests.get(f"{registry.base}/v2/")
    challenge = f'Bearer realm="{registry.base}/oauth2/token",service="{registry.service}"'
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, challenge)
    assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
    assert refused.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    refused = requests.get(f"{registry.base}/v2/team/line/manifests/v1")
    assert refused.headers["WWW-Authenticate"] == f'{challenge},scope="repository:team/line:pull"'
    assert registry.get("").status_code == 200
    assert requests.get(f"{registry.base}/v2/", auth=(registry.user, registry.password)).status_code == 200
    form = {"grant_type": "password", "username": registry.user, "password": registry.password}
    answer = requests.post(f"{registry.base}/oauth2/token", data={**form, "service": registry.service})
    assert answer.json()["access_token"]


def test_who_may_not(registry: Registry) -> None:
    stranger = (registry.user, "wrong")
    for url in (f"{registry.base}/v2/", f"{registry.base}/oauth2/token?service={registry.service}"):
        assert requests.get(url, auth=stranger).status_code == 401
    good = (registry.user, registry.password)
    assert requests.get(f"{registry.base}/oauth2/token?service=other.azurecr.io", auth=good).status_code == 400


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("team/line/manifests/v9", "MANIFEST_UNKNOWN"),
        ("team/other/manifests/v1", "NAME_UNKNOWN"),
        (f"team/line/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        ("team", "NAME_INVALID"),
    ],
)
def test_what_is_not_there(registry: Registry, path: str, code: str) -> None:
    answer = registry.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, code)


def test_tokens_of_azure_and_registries_that_are_nobodys(azure: Any) -> None:
    name = azure.state.workspace().container_registry
    headers = {"Authorization": f"Bearer {azure.token()}"}
    assert requests.get(f"https://{name}.azurecr.io/v2/", headers=headers).status_code == 401
    assert requests.get("https://nobodys.azurecr.io/v2/").status_code == 404
    log = json.dumps(azure.state.requests.documents())
    assert "nobodys" in log and azure.token() not in log


def test_workspaces_with_one_registry_may_both_use_it(azure: Any) -> None:
    s, name = azure.settings, azure.state.workspace().container_registry
    other = azure.state.tenancy.add_workspace(s.subscription_id, s.resource_group, "other", s.region, registry=name)
    for workspace in (azure.state.workspace(), other):
        password = azure.state.backend(ArmBackend).registry_password(workspace)
        assert requests.get(f"https://{name}.azurecr.io/v2/", auth=(name, password)).status_code == 200
