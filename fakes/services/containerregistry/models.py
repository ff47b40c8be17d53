"""Images of every registry: manifests by tag and digest, layers by digest; no HTTP.

Source: OCI distribution specification 1.1 and OCI image specification 1.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from fakes.core.content import Content
from fakes.core.errors import AzureError
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.arm.models import ArmBackend

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
# What the first bytes of a layer say about its compression.
_COMPRESSED = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}


@dataclass
class Manifest:
    """A manifest as it was put, byte for byte."""

    text: bytes
    kind: str

    def parts(self) -> list[str]:
        """Return the digests of the blobs that it names; those of an index name none."""
        document = json.loads(self.text)
        return [part["digest"] for part in [document.get("config"), *document.get("layers", [])] if part]


@dataclass
class Repository:
    """One repository: digests by tag, manifests by digest, and which blobs were put into it."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)


@dataclass
class Upload:
    """A blob on its way into a repository."""

    registry: str
    name: str
    parts: list[Content] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many bytes have come."""
        return sum(part.size for part in self.parts)


class ContainerRegistry(Backend):
    """The registries of every workspace.

    Images are no part of an export: they are large, and the engine that built them has them.
    """

    name: ClassVar[str] = "containerregistry"

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        # By name of the registry, then by name of the repository.
        self.repositories: dict[str, dict[str, Repository]] = {}
        self.blobs: dict[str, Content] = {}
        self.uploads: dict[str, Upload] = {}

    def workspace(self, registry: str) -> Workspace:
        """Return the workspace that a registry belongs to; 404 when there is none."""
        for workspace in self.state.tenancy.workspaces.values():
            if workspace.container_registry == registry.lower():
                return workspace
        raise AzureError(
            404, "NAME_UNKNOWN", f"The fake has no registry '{registry}'; in Azure its name has no address."
        )

    def allows(self, workspace: Workspace, user: str, password: str) -> bool:
        """Tell whether these are credentials of the registry's admin user."""
        arm = self.state.backend(ArmBackend)
        # Workspaces can be created with one registry.
        sharing = [
            w for w in self.state.tenancy.workspaces.values() if w.container_registry == workspace.container_registry
        ]
        known = [arm.registry_password(each, number) for each in sharing for number in (1, 2)]
        return user == workspace.container_registry and password in known

    # ---- reading

    def repository(self, registry: str, name: str) -> Repository:
        """Return a repository; 404 as registries word it."""
        found = self.repositories.get(registry, {}).get(name)
        if found is None:
            raise AzureError(404, "NAME_UNKNOWN", "repository name not known to registry")
        return found

    def manifest(self, registry: str, name: str, reference: str) -> tuple[str, Manifest]:
        """Return digest and text of a manifest, by tag or digest; 404 as registries word it."""
        repository = self.repository(registry, name)
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            raise AzureError(404, "MANIFEST_UNKNOWN", f"manifest tagged by {reference!r} is not found")
        return digest, repository.manifests[digest]

    def blob(self, registry: str, name: str, digest: str) -> Content:
        """Return a layer or an image's configuration; 404 as registries word it."""
        if digest not in self.repository(registry, name).blobs:
            raise AzureError(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return self.blobs[digest]

    # ---- writing

    def has(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        return digest in self.blobs

    def add_blob(self, content: Content) -> str:
        """Keep a blob and return its digest."""
        digest = _digest(content)
        with self.state.lock:
            self.blobs.setdefault(digest, content)
        return digest

    def add_image(self, registry: str, name: str, tag: str, config: bytes, layers: Iterable[str]) -> tuple[str, int]:
        """Keep an image whose layers are there, and return digest and size of its manifest.

        Parameters
        ----------
        config
            The image's configuration (JSON).
        layers
            Digests, the lowest layer first.
        """
        held = self.add_blob(self.state.spool.keep(config))
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": held, "size": len(config)},
            "layers": [self._described(digest) for digest in layers],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        with self.state.lock:
            repository = self._repository(registry, name)
            repository.manifests[digest] = Manifest(text, MANIFEST)
            repository.blobs.update(repository.manifests[digest].parts())
            repository.tags[tag] = digest
        return digest, len(text)

    def _repository(self, registry: str, name: str) -> Repository:
        return self.repositories.setdefault(registry, {}).setdefault(name, Repository())

    # ---- pushing

    def begin(self, registry: str, name: str) -> str:
        """Begin to upload a blob; return the id of the upload."""
        upload_id = self.state.ids.guid()
        self.uploads[upload_id] = Upload(registry, name)
        return upload_id

    def upload(self, registry: str, name: str, upload_id: str) -> Upload:
        """Return an upload of a repository; 404 when it ended or never began."""
        found = self.uploads.get(upload_id)
        if found is None or (found.registry, found.name) != (registry, name):
            raise AzureError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return found

    def keep(self, registry: str, name: str, content: Content, digest: str) -> None:
        """Keep a blob that was uploaded; 400 when it is another one. Reads all of it: not for use under the lock."""
        if _digest(content) != digest:
            raise AzureError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        with self.state.lock:
            self.blobs.setdefault(digest, content)
            self._repository(registry, name).blobs.add(digest)

    def mount(self, registry: str, name: str, digest: str, source: str) -> bool:
        """Take a blob over from another repository; tell whether it is there."""
        other = self.repositories.get(registry, {}).get(source)
        if other is None or digest not in other.blobs:
            return False
        self._repository(registry, name).blobs.add(digest)
        return True

    def put_manifest(self, registry: str, name: str, reference: str, manifest: Manifest) -> str:
        """Keep a manifest whose parts are there, under a tag or its digest; return the digest."""
        repository = self._known(registry, name)
        try:
            document = json.loads(manifest.text)
            parts = manifest.parts()
            named = [part["digest"] for part in document.get("manifests", [])]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AzureError(400, "MANIFEST_INVALID", f"manifest invalid: {error}") from error
        if not all(isinstance(found, str) for found in [*parts, *named]):
            raise AzureError(400, "MANIFEST_INVALID", "manifest invalid: a digest is no text")
        if document.get("schemaVersion") != 2 or not (parts or "manifests" in document):
            raise AzureError(400, "MANIFEST_INVALID", "manifest invalid: it is no image manifest or index of version 2")
        digest = f"sha256:{hashlib.sha256(manifest.text).hexdigest()}"
        if ":" in reference and reference != digest:
            raise AzureError(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if not (repository.blobs.issuperset(parts) and repository.manifests.keys() >= set(named)):
            raise AzureError(400, "MANIFEST_BLOB_UNKNOWN", "manifest references a blob unknown to registry")
        self.repositories.setdefault(registry, {})[name] = repository
        repository.manifests[digest] = manifest
        if ":" not in reference:
            repository.tags[reference] = digest
        return digest

    def _known(self, registry: str, name: str) -> Repository:
        """A repository, a new one that is not listed yet when there is none."""
        return self.repositories.get(registry, {}).get(name) or Repository()

    def delete_manifest(self, registry: str, name: str, reference: str) -> None:
        """Forget a tag, or a manifest with its tags; 404 as registries word it."""
        digest, _ = self.manifest(registry, name, reference)
        repository = self.repository(registry, name)
        if reference in repository.tags:
            del repository.tags[reference]
            return
        del repository.manifests[digest]
        for tag in [tag for tag, held in repository.tags.items() if held == digest]:
            del repository.tags[tag]

    def _described(self, digest: str) -> dict[str, Any]:
        content = self.blobs[digest]
        start = content.head(4)
        kind = next((LAYER + more for magic, more in _COMPRESSED.items() if start.startswith(magic)), LAYER)
        return {"mediaType": kind, "digest": digest, "size": content.size}


def _digest(content: Content) -> str:
    hashed = hashlib.sha256()
    for chunk in content.chunks():
        hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"
