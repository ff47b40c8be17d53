"""Snapshots: the source folders of runs and steps. State and behaviour, no HTTP.

A snapshot is sent as a difference: the client uploads what changed against a parent, and the tree (``DirTreeNode``)
that says what the whole folder looks like. Kept here is the whole: every file, and the blob that holds it.

Facts: ``azureml._restclient.snapshots_client`` and ``azureml._base_sdk_common.merkle_tree`` of ``azureml-core`` 1.61.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fakes.core.errors import bad_request, conflict, not_found

NO_SNAPSHOT = "00000000-0000-0000-0000-000000000000"

Document = dict[str, Any]


class Snapshots:
    """Snapshots of one workspace.

    Parameters
    ----------
    store : dict
        Where everything is kept, JSON values only.
    now : callable
        Gives the present as ISO 8601 text.
    """

    def __init__(self, store: Document, now: Callable[[], str]) -> None:
        self._items: dict[str, Document] = store.setdefault("snapshots", {})
        self._now = now

    def create(self, snapshot_id: str, body: Mapping[str, Any]) -> Document:
        """Keep a snapshot.

        Raises
        ------
        AzureError
            404: the parent is unknown (the client then forgets it and sends everything). 400: a file of the tree
            was neither sent nor is it in the parent. 409: the id is taken.
        """
        if snapshot_id in self._items:
            raise conflict(f"Snapshot {snapshot_id} already exists.")
        parent_id = body.get("ParentSnapshotId") or NO_SNAPSHOT
        files: dict[str, str] = {}
        if parent_id != NO_SNAPSHOT:
            files.update(self.get(parent_id)["files"])
        revisions = (body.get("FileRevisionList") or {}).get("FileNodes") or []
        for revision in revisions:
            files[_path(revision["FullName"])] = _blob(revision["BlobUri"])
        tree = body.get("DirTreeNode") or {}
        wanted = set(_files(tree))
        missing = sorted(wanted - files.keys())
        if missing:
            raise bad_request(f"Snapshot {snapshot_id} lists files that were not uploaded: {', '.join(missing[:5])}")
        held = {
            "id": snapshot_id,
            "parentId": parent_id,
            "createdTime": self._now(),
            "properties": body.get("Properties") or {},
            "tags": body.get("Tags"),
            "root": tree,
            "files": {name: blob for name, blob in sorted(files.items()) if name in wanted},
        }
        self._items[snapshot_id] = held
        return held

    def get(self, snapshot_id: str) -> Document:
        """Find a snapshot. Raises ``AzureError`` 404."""
        held = self._items.get(snapshot_id)
        if held is None:
            raise not_found(f"Snapshot {snapshot_id} was not found.")
        return held

    def latest(self) -> Document:
        """The newest one, or the empty one when there is none: a client cannot live with a 404 here."""
        if not self._items:
            return {"id": NO_SNAPSHOT, "root": {}, "files": {}}
        return next(reversed(self._items.values()))


def _path(name: str) -> str:
    return name.replace("\\", "/").strip("/")


def _blob(uri: str) -> str:
    """``container/name`` from the address of a blob, without its host and signature."""
    return urlsplit(uri).path.lstrip("/")


def _files(node: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Paths of all files below a tree node; the root node has the name of no folder."""
    for child in (node.get("children") or {}).values():
        name = f"{above}/{child['name']}" if above else str(child["name"])
        if str(child.get("type", "")).lower() == "file":
            yield _path(name)
        else:
            yield from _files(child, name)
