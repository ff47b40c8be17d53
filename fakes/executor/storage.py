"""Files of jobs: snapshots out of storage, logs and outputs into it, folders of datastores both ways.

All functions take the state lock by themselves, for as long as one file takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fakes.services.artifacts.models import ArtifactsBackend
from fakes.services.blob.models import BlobBackend
from fakes.services.datastores.models import DatastoresBackend, place
from fakes.services.snapshots.backend import SnapshotsBackend

if TYPE_CHECKING:
    from fakes.core.content import Content
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

ORIGIN = "ExperimentRun"


class UnsafePath(Exception):
    """A name in storage would be a file outside the folder that it is unpacked into."""


def below(folder: Path, name: str) -> Path:
    """The path of `name` below `folder`. Raises ``UnsafePath``."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise UnsafePath(f"{name!r} does not stay in its folder")
    return folder.joinpath(*parts)


def unpack_snapshot(state: State, workspace: Workspace, snapshot_id: str, folder: Path) -> int:
    """Put the files of a snapshot into a folder; gives their number. Raises ``AzureError`` 404, ``UnsafePath``."""
    with state.lock:
        files = dict(state.backend(SnapshotsBackend).of(workspace).get(snapshot_id)["files"])
    for name, blob in files.items():
        container, _, key = blob.partition("/")
        with state.lock:
            content = state.backend(BlobBackend).get(workspace.storage_account, container, key)
        path = below(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        content.save(path)
    return len(files)


# ---- artifacts of runs ----------------------------------------------------------------------------------------------


def put_artifact(state: State, workspace: Workspace, container: str, name: str, data: bytes | Content) -> None:
    """Keep bytes as an artifact of a run; what was there is replaced."""
    state.backend(ArtifactsBackend).write(workspace, ORIGIN, container, name, data)


def append_artifact(state: State, workspace: Workspace, container: str, name: str, data: bytes) -> None:
    """Add bytes to an artifact of a run, made when it is not there."""
    state.backend(ArtifactsBackend).append(workspace, ORIGIN, container, name, data)


def artifact_names(state: State, workspace: Workspace, container: str) -> set[str]:
    """Names of the artifacts that a run has."""
    return {item.path for item in state.backend(ArtifactsBackend).below(workspace, ORIGIN, container)}


def read_artifact(state: State, workspace: Workspace, container: str, name: str) -> bytes | None:
    """Content of an artifact of a run, or None."""
    artifacts = state.backend(ArtifactsBackend)
    with state.lock:
        found = [item for item in artifacts.below(workspace, ORIGIN, container, name) if item.path == name]
        return artifacts.read(workspace, found[0]) if found else None


def artifact_addresses(state: State, workspace: Workspace, container: str, prefix: str) -> dict[str, str]:
    """Readable addresses of the artifacts of a run below a prefix, by name."""
    artifacts = state.backend(ArtifactsBackend)
    with state.lock:
        found = artifacts.below(workspace, ORIGIN, container, prefix)
        return {item.path: artifacts.url(workspace, item) for item in found}


# ---- folders of datastores ------------------------------------------------------------------------------------------


def names_below(state: State, datastore: Mapping[str, Any], prefix: str) -> list[str]:
    """Names of the blobs that are `prefix` itself or lie below it."""
    account, container = place(datastore)
    clean = prefix.strip("/")
    with state.lock:
        blobs = state.backend(BlobBackend)
        blobs.ensure_container(account, container)
        names = list(blobs.names(account, container, clean))
    return [name for name in names if not clean or name == clean or name.startswith(f"{clean}/")]


def fetch(state: State, datastore: Mapping[str, Any], name: str, target: Path) -> None:
    """Write one blob to a file."""
    account, container = place(datastore)
    with state.lock:
        content = state.backend(BlobBackend).get(account, container, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    content.save(target)


def fetch_path(state: State, datastore: Mapping[str, Any], prefix: str, target: Path) -> int:
    """Write a path of a datastore to disk: a file when it is one blob, else a folder; gives the number of files."""
    clean = prefix.strip("/")
    names = names_below(state, datastore, clean)
    if names == [clean] and clean:
        fetch(state, datastore, clean, target)
        return 1
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name != clean:
            fetch(state, datastore, name, below(target, name[len(clean) :].lstrip("/")))
    return len(names)


def send_path(state: State, datastore: Mapping[str, Any], source: Path, prefix: str) -> int:
    """Write a file or folder to a path of a datastore; gives the number of files."""
    account, container = place(datastore)
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        name = prefix.strip("/")
        if path != source:
            name = f"{name}/{path.relative_to(source).as_posix()}".lstrip("/")
        data = state.spool.copy(path)
        with state.lock:
            blobs = state.backend(BlobBackend)
            blobs.ensure_container(account, container)
            blobs.put(account, container, name, data)
    return len(files)


def datastore_named(state: State, workspace: Workspace, name: str | None) -> dict[str, Any]:
    """A datastore by name, the default one without. Raises ``AzureError`` 404."""
    with state.lock:
        stores = state.backend(DatastoresBackend)
        return stores.get(workspace, name) if name else stores.default(workspace)
