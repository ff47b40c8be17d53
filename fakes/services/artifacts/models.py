"""Which artifacts exist; their content is in blob storage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.core.content import Content
from fakes.core.errors import bad_request, not_found
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.blob.models import Blob, BlobBackend
from fakes.services.datastores.models import ARTIFACTS, DatastoresBackend, place

ORIGINS = ("ExperimentRun", "LocalUpload")
PAGE = 500


@record
class Artifact:
    """One file: ``origin/container/path`` is its id."""

    origin: str
    container: str
    path: str
    etag: str
    created: str
    # Name, account and container of the datastore that holds it, when that is not the workspace's own.
    place: tuple[str, str, str] | None = None

    @property
    def id(self) -> str:
        """The artifact id."""
        return f"{self.origin}/{self.container}/{self.path}"


class ArtifactsBackend(Backend):
    """Artifacts of every workspace."""

    name = "artifacts"
    exported = ("items",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        # By workspace, then by "origin/container", then by path.
        self.items: dict[str, dict[str, dict[str, Artifact]]] = {}

    @property
    def _blobs(self) -> BlobBackend:
        return self.state.backend(BlobBackend)

    def box(self, workspace: Workspace, origin: str, container: str) -> dict[str, Artifact]:
        """Return the artifacts of one container by path."""
        return self.items.setdefault(workspace.key, {}).setdefault(f"{origin}/{container}", {})

    def create(
        self, workspace: Workspace, origin: str, container: str, path: str, datastore: str | None = None
    ) -> Artifact:
        """Return an artifact, made when it is new; in a datastore of the workspace when one is named.

        Raises
        ------
        AzureError
            400: the path, or what the datastore is. 404: there is no such datastore.
        """
        path = path.strip("/")
        if not path or len(path) > 1024 or any(part in (".", "..") for part in path.split("/")):
            raise bad_request(f"The artifact path '{path}' is not valid.", "UserError")
        with self.state.lock:
            box = self.box(workspace, origin, container)
            found = box.get(path)
            if found is None:
                place = self._place(workspace, datastore)
                now = self.state.clock.iso()
                found = box[path] = Artifact(origin, container, path, self.state.ids.guid(), now, place)
            return found

    def _place(self, workspace: Workspace, datastore: str | None) -> tuple[str, str, str] | None:
        if not datastore or datastore == ARTIFACTS:
            return None
        held = self.state.backend(DatastoresBackend).get(workspace, datastore)
        if held["dataStoreType"] != "AzureBlob":
            # https://github.com/Azure/MachineLearningNotebooks/issues/1546
            raise bad_request("Currently only AzureBlob artifacts are supported", "UserError")
        return held["name"], *place(held)

    def get(self, workspace: Workspace, origin: str, container: str, path: str) -> Artifact:
        """Return an artifact; 404 when there is none."""
        with self.state.lock:
            found = self.box(workspace, origin, container).get(path.strip("/"))
        if found is None:
            raise not_found(
                f"Could not find artifact with origin {origin}, container {container} and path {path}.", "UserError"
            )
        return found

    def below(self, workspace: Workspace, origin: str, container: str, prefix: str = "") -> list[Artifact]:
        """Return the artifacts that are `prefix` or lie below it, sorted by path."""
        prefix = prefix.strip("/")
        with self.state.lock:
            found = list(self.box(workspace, origin, container).values())
        chosen = [a for a in found if not prefix or a.path == prefix or a.path.startswith(prefix + "/")]
        return sorted(chosen, key=lambda artifact: artifact.path)

    def delete(self, workspace: Workspace, origin: str, container: str, path: str | None = None) -> None:
        """Forget one artifact or a whole container, content included."""
        with self.state.lock:
            box = self.box(workspace, origin, container)
            for artifact in [self.get(workspace, origin, container, path)] if path else list(box.values()):
                del box[artifact.path]
                account, blob_container, name = self.location(workspace, artifact)
                if self._blobs.find(account, blob_container, name) is not None:
                    self._blobs.delete(account, blob_container, name)

    # ---- content

    def location(self, workspace: Workspace, artifact: Artifact) -> tuple[str, str, str]:
        """Return account, container and blob name of an artifact's content."""
        _, account, container = artifact.place or ("", workspace.storage_account, workspace.container)
        return account, container, artifact.id

    def url(self, workspace: Workspace, artifact: Artifact, permissions: str = "r") -> str:
        """Return a signed address of an artifact's content."""
        return self._blobs.sas_url(*self.location(workspace, artifact), permissions=permissions)

    def write(self, workspace: Workspace, origin: str, container: str, path: str, data: bytes | Content) -> Artifact:
        """Create or replace an artifact with its content."""
        with self.state.lock:
            artifact = self.create(workspace, origin, container, path)
            self._blobs.put(*self.location(workspace, artifact), data)
            return artifact

    def append(self, workspace: Workspace, origin: str, container: str, path: str, data: bytes | Content) -> Artifact:
        """Append to an artifact's content."""
        with self.state.lock:
            artifact = self.create(workspace, origin, container, path)
            account, blob_container, name = self.location(workspace, artifact)
            if self._blobs.find(account, blob_container, name) is None:
                self._blobs.put(account, blob_container, name, kind="AppendBlob")
            self._blobs.append(account, blob_container, name, data)
            return artifact

    def has_content(self, workspace: Workspace, artifact: Artifact) -> bool:
        """Tell whether an artifact's content was uploaded."""
        with self.state.lock:
            return self._blobs.find(*self.location(workspace, artifact)) is not None

    def blob(self, workspace: Workspace, artifact: Artifact) -> Blob:
        """Return the blob with an artifact's content; 404 when it was declared but never uploaded."""
        with self.state.lock:
            return self._blobs.get(*self.location(workspace, artifact))

    def read(self, workspace: Workspace, artifact: Artifact) -> bytes:
        """Return an artifact's content, in memory; 404 as `blob`."""
        with self.state.lock:
            return self.blob(workspace, artifact).data

    def resolve(self, workspace: Workspace, reference: str) -> list[tuple[str, Artifact]]:
        """Return what ``origin/container/prefix`` names: pairs of relative path and artifact.

        Paths are relative to the parent of the prefix, as the SDK lays them out on download.
        """
        origin, container, prefix = (*reference.split("/", 2), "", "")[:3]
        found = self.below(workspace, origin, container, prefix)
        parent = prefix.strip("/").rpartition("/")[0]
        return [(a.path[len(parent) + 1 :] if parent else a.path, a) for a in found]

    def materialize(self, workspace: Workspace, reference: str, target: Path) -> list[Path]:
        """Write what ``origin/container/prefix`` names below `target`; not under the lock for long."""
        written = []
        for relative, artifact in self.resolve(workspace, reference):
            path = target / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            self.blob(workspace, artifact).save(path)
            written.append(path)
        return written
