"""The registry as Docker writes to it, without Docker: uploads in one piece or several, manifests, mounts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

import fakes
from fakes.services.arm.models import ArmBackend
from fakes.services.containerregistry.models import MANIFEST

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG, LAYER = b'{"os":"linux"}', bytes(range(256)) * 9000


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def part(data: bytes, kind: str = "x") -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


@dataclass
class Registry:
    """A registry at one of its addresses."""

    base: str
    auth: tuple[str, str]

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, urljoin(f"{self.base}/v2/", path), auth=self.auth, **more)

    def upload(self, name: str, data: bytes, pieces: int = 1) -> requests.Response:
        started = self.send("POST", f"{name}/blobs/uploads/")
        assert started.status_code == 202, started.text
        where, size = started.headers["Location"], -(-len(data) // pieces)
        for at in range(0, len(data), size):
            sent = self.send("PATCH", where, data=data[at : at + size])
            assert (sent.status_code, sent.headers["Range"]) == (202, f"0-{min(at + size, len(data)) - 1}")
            where = sent.headers["Location"]
        return self.send("PUT", where, params={"digest": digest_of(data)})

    def image(self, name: str, tag: str, kind: str = MANIFEST) -> str:
        for data in (CONFIG, LAYER):
            assert self.upload(name, data, 3).status_code == 201
        text = json.dumps(
            {"schemaVersion": 2, "mediaType": kind, "config": part(CONFIG), "layers": [part(LAYER)]}
        ).encode()
        put = self.send("PUT", f"{name}/manifests/{tag}", data=text, headers={"Content-Type": kind})
        assert (put.status_code, put.headers["Docker-Content-Digest"]) == (201, digest_of(text)), put.text
        return digest_of(text)


@pytest.fixture(params=["inprocess", "server", "loopback"])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    door = "server" if request.param == "loopback" else request.param
    with fakes.mock_azure(door=door) as azure:
        workspace = azure.state.workspace()
        address = f"https://{workspace.container_registry}.azurecr.io"
        if request.param == "loopback":
            address = azure.child_environment()["FAKES_ADDRESS"]
        password = azure.state.backend(ArmBackend).registry_password(workspace)
        yield Registry(address, (workspace.container_registry, password))
        assert azure.state.bugs == []


@pytest.mark.parametrize("kind", [MANIFEST, DOCKER])
def test_an_image_is_read_as_it_was_pushed(registry: Registry, kind: str) -> None:
    assert registry.send("HEAD", f"team/line/blobs/{digest_of(LAYER)}").status_code == 404
    digest = registry.image("team/line", "v1", kind)
    read = registry.send("GET", "team/line/manifests/v1")
    assert (digest_of(read.content), read.headers["Content-Type"]) == (digest, kind)
    assert registry.send("GET", f"team/line/blobs/{digest_of(LAYER)}").content == LAYER
    assert registry.send("GET", "team/line/tags/list").json()["tags"] == ["v1"]


def test_a_tag_moves_and_an_index_names_manifests(registry: Registry) -> None:
    digest = registry.image("team/line", "v1")
    size = int(registry.send("HEAD", f"team/line/manifests/{digest}").headers["Content-Length"])
    entry = {"mediaType": MANIFEST, "digest": digest, "size": size}
    text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
    put = registry.send("PUT", "team/line/manifests/v1", data=text, headers={"Content-Type": INDEX})
    assert put.status_code == 201
    assert registry.send("GET", "team/line/manifests/v1").headers["Content-Type"] == INDEX
    assert registry.send("GET", f"team/line/manifests/{digest}").headers["Content-Type"] == MANIFEST
    assert registry.send("GET", f"team/line/blobs/{digest_of(LAYER)}").content == LAYER


def test_in_one_request_and_from_another_repository(registry: Registry) -> None:
    query = {"digest": digest_of(CONFIG)}
    made = registry.send("POST", "one/blobs/uploads/", params=query, data=CONFIG)
    assert (made.status_code, made.headers["Docker-Content-Digest"]) == (201, digest_of(CONFIG))
    assert registry.send("GET", urljoin(f"{registry.base}/", made.headers["Location"])).content == CONFIG
    mounted = registry.send("POST", "two/blobs/uploads/", params={"mount": digest_of(CONFIG), "from": "one"})
    assert mounted.status_code == 201
    assert registry.send("GET", f"two/blobs/{digest_of(CONFIG)}").content == CONFIG
    # What is not there to mount is to be uploaded.
    other = registry.send("POST", "two/blobs/uploads/", params={"mount": digest_of(LAYER), "from": "one"})
    assert (other.status_code, "/uploads/" in other.headers["Location"]) == (202, True)


def test_an_upload_is_asked_about_and_given_up(registry: Registry) -> None:
    where = registry.send("POST", "one/blobs/uploads/").headers["Location"]
    registry.send("PATCH", where, data=b"12345")
    asked = registry.send("GET", where)
    assert (asked.status_code, asked.headers["Range"]) == (204, "0-4")
    out_of_order = registry.send("PATCH", where, data=b"x", headers={"Content-Range": "9-9"})
    assert out_of_order.status_code == 416
    assert registry.send("DELETE", where).status_code == 204
    assert registry.send("PATCH", where, data=b"x").json()["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"


def test_what_is_refused(registry: Registry) -> None:
    where = registry.send("POST", "one/blobs/uploads/").headers["Location"]
    wrong = registry.send("PUT", where, params={"digest": digest_of(b"other")}, data=b"this")
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert registry.send("HEAD", f"one/blobs/{digest_of(b'other')}").status_code == 404

    def put(document: Any, reference: str = "v1") -> str:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = registry.send("PUT", f"one/manifests/{reference}", data=data, headers={"Content-Type": MANIFEST})
        return str(answer.json()["errors"][0]["code"])

    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": part(CONFIG), "layers": [part(LAYER)]}
    assert put(manifest) == "MANIFEST_BLOB_UNKNOWN"
    assert put(b"none") == "MANIFEST_INVALID"
    assert put({"schemaVersion": 1}) == "MANIFEST_INVALID"
    for odd in (
        {"config": {"digest": ["a"]}},
        {"manifests": [{"digest": ["x"]}]},
        {"layers": {}},
    ):
        assert put({"schemaVersion": 2, **odd}) == "MANIFEST_INVALID"
    assert put(b"[" * 1_000_000) == "MANIFEST_INVALID"
    for path in ("-a/manifests/x", "a-/manifests/x", "a/manifests/-x", f"a/manifests/{'x' * 129}"):
        assert registry.send("PUT", path, data=b"{}").status_code == 404
    assert put({**manifest, "config": part(b""), "layers": []}, digest_of(b"x")) == "DIGEST_INVALID"
    refused = requests.post(f"{registry.base}/v2/one/blobs/uploads/")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].endswith('scope="repository:one:pull,push"')
    assert registry.send("GET", "one/tags/list").status_code == 404


def test_an_untagged_manifest_is_deleted_with_its_tags(registry: Registry) -> None:
    digest = registry.image("team/line", "v1")
    assert registry.send("DELETE", f"team/line/manifests/{digest}").status_code == 202
    assert registry.send("GET", "team/line/manifests/v1").status_code == 404
    assert registry.send("DELETE", f"team/line/manifests/{digest}").status_code == 404
