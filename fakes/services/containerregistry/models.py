"""Images of every registry: manifests by tag and digest, layers by digest. Read-only for clients; no HTTP.

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
class Repository:
    """One repository: digests by tag, manifests by digest."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)


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
        known = [arm.registry_password(workspace, number) for number in (1, 2)]
        return user == workspace.container_registry and password in known

    # ---- reading

    def repository(self, registry: str, name: str) -> Repository:
        """Return a repository; 404 as registries word it."""
        found = self.repositories.get(registry, {}).get(name)
        if found is None:
            raise AzureError(404, "NAME_UNKNOWN", "repository name not known to registry")
        return found

    def manifest(self, registry: str, name: str, reference: str) -> tuple[str, bytes]:
        """Return digest and text of a manifest, by tag or digest; 404 as registries word it."""
        repository = self.repository(registry, name)
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            raise AzureError(404, "MANIFEST_UNKNOWN", f"manifest tagged by {reference!r} is not found")
        return digest, repository.manifests[digest]

    def blob(self, registry: str, name: str, digest: str) -> Content:
        """Return a layer or an image's configuration; 404 as registries word it."""
        for text in self.repository(registry, name).manifests.values():
            document = json.loads(text)
            if any(part["digest"] == digest for part in (document["config"], *document["layers"])):
                return self.blobs[digest]
        raise AzureError(404, "BLOB_UNKNOWN", "blob unknown to registry")

    # ---- writing

    def has(self, digest: str) -> bool:
        """Tell whether a blob is there."""
        return digest in self.blobs

    def add_blob(self, content: Content) -> str:
        """Keep a blob and return its digest."""
        hashed = hashlib.sha256()
        for chunk in content.chunks():
            hashed.update(chunk)
        digest = f"sha256:{hashed.hexdigest()}"
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
            repository = self.repositories.setdefault(registry, {}).setdefault(name, Repository())
            repository.manifests[digest] = text
            repository.tags[tag] = digest
        return digest, len(text)

    def _described(self, digest: str) -> dict[str, Any]:
        content = self.blobs[digest]
        start = content.head(4)
        kind = next((LAYER + more for magic, more in _COMPRESSED.items() if start.startswith(magic)), LAYER)
        return {"mediaType": kind, "digest": digest, "size": content.size}
