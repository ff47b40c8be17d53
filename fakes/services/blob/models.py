"""Containers and blobs of every storage account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from fakes.core.content import Content, pieces, save
from fakes.core.errors import AzureError
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.services.blob.signatures import service_sas

_CONTAINER = re.compile(r"\$root|\$logs|\$web|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
DEFAULT_TYPE = "application/octet-stream"


@record
class Blob:
    """One blob. Its content is a list of blocks, joined when it is read."""

    name: str
    kind: str  # BlockBlob or AppendBlob
    blocks: list[Content]
    etag: str
    created: datetime
    modified: datetime
    content_type: str = DEFAULT_TYPE
    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    block_ids: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(block.size for block in self.blocks)

    @property
    def data(self) -> bytes:
        """The whole content, in memory."""
        return b"".join(block.data for block in self.blocks)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Return the bytes from `start` to before `stop`, some at a time."""
        return pieces(tuple(self.blocks), start, stop)

    def save(self, path: Path) -> None:
        """Write the content to a file."""
        save(tuple(self.blocks), path)


def check_container_name(name: str) -> None:
    """Refuse what cannot be the name of a container with 400."""
    if not _CONTAINER.fullmatch(name):
        raise AzureError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")


@record
class Container:
    """One container: its blobs, and the blocks that no list has committed yet."""

    name: str
    etag: str
    modified: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    uncommitted: dict[str, dict[str, Content]] = field(default_factory=dict)


class BlobBackend(Backend):
    """Every storage account's containers. Accounts themselves belong to `Tenancy`."""

    name = "blob"
    exported = ("containers",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.containers: dict[str, dict[str, Container]] = {}

    def load(self, values: Mapping[str, Any]) -> None:
        """Take what `export` returned; large blocks become files again."""
        super().load(values)
        keep = self.state.spool.keep
        for containers in self.containers.values():
            for container in containers.values():
                for blob in container.blobs.values():
                    blob.blocks = [keep(block) for block in blob.blocks]
                for name, staged in container.uncommitted.items():
                    container.uncommitted[name] = {key: keep(block) for key, block in staged.items()}

    # ---- containers

    def account(self, account: str) -> dict[str, Container]:
        """Return the containers of an account, those that a workspace brings along included."""
        if account not in self.state.tenancy.accounts:
            raise AzureError(
                404,
                "ResourceNotFound",
                f"The fake has no storage account '{account}'; in Azure its name has no address.",
            )
        found = self.containers.setdefault(account, {})
        for workspace in self.state.tenancy.workspaces.values():
            if workspace.storage_account == account:
                for name in (workspace.container, workspace.blobstore):
                    if name not in found:
                        found[name] = self._new_container(name)
        return found

    def delete_account(self, account: str) -> bool:
        """Delete a storage account with everything in it; tell whether it was there."""
        self.containers.pop(account, None)
        return self.state.tenancy.accounts.pop(account, None) is not None

    def container(self, account: str, name: str) -> Container:
        """Return a container; 404 ContainerNotFound."""
        found = self.account(account).get(name)
        if found is None:
            raise AzureError(404, "ContainerNotFound", "The specified container does not exist.")
        return found

    def create_container(self, account: str, name: str, metadata: dict[str, str] | None = None) -> Container:
        """Create a container; 409 when it exists, 400 when its name is none."""
        check_container_name(name)
        with self.state.lock:
            containers = self.account(account)
            if name in containers:
                raise AzureError(409, "ContainerAlreadyExists", "The specified container already exists.")
            containers[name] = self._new_container(name)
            containers[name].metadata = dict(metadata or {})
            return containers[name]

    def ensure_container(self, account: str, name: str) -> Container:
        """Return a container, created when it is missing."""
        with self.state.lock:
            return self.account(account).get(name) or self.create_container(account, name)

    def delete_container(self, account: str, name: str) -> None:
        """Delete a container with everything in it."""
        with self.state.lock:
            self.container(account, name)
            del self.containers[account][name]

    def _new_container(self, name: str) -> Container:
        return Container(name, self._etag(), self.state.clock.now())

    def _etag(self) -> str:
        return f"0x8D{self.state.ids.hex(13).upper()}"

    # ---- blobs

    def find(self, account: str, container: str, name: str) -> Blob | None:
        """Return a blob or None."""
        with self.state.lock:
            return self.container(account, container).blobs.get(name)

    def get(self, account: str, container: str, name: str) -> Blob:
        """Return a blob; 404 BlobNotFound."""
        found = self.find(account, container, name)
        if found is None:
            raise AzureError(404, "BlobNotFound", "The specified blob does not exist.")
        return found

    def put(
        self,
        account: str,
        container: str,
        name: str,
        data: bytes | Content = b"",
        *,
        kind: str = "BlockBlob",
        content_type: str = DEFAULT_TYPE,
        metadata: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Blob:
        """Create or replace a blob."""
        with self.state.lock:
            inside = self.container(account, container)
            now = self.state.clock.now()
            before = inside.blobs.get(name)
            blob = Blob(
                name,
                kind,
                [self.state.spool.keep(data)] if len(data) else [],
                self._etag(),
                before.created if before else now,
                now,
                content_type,
                dict(metadata or {}),
                dict(headers or {}),
            )
            inside.blobs[name] = blob
            inside.uncommitted.pop(name, None)
            return blob

    def append(self, account: str, container: str, name: str, data: bytes | Content) -> tuple[Blob, int]:
        """Append a block to an append blob; return it and the offset at which the block begins."""
        with self.state.lock:
            blob = self.get(account, container, name)
            if blob.kind != "AppendBlob":
                raise AzureError(409, "InvalidBlobType", "The blob type is invalid for this operation.")
            if len(blob.blocks) >= 50_000:
                raise AzureError(
                    409, "BlockCountExceedsLimit", "The committed block count cannot exceed 50,000 blocks."
                )
            offset = blob.size
            blob.blocks.append(self.state.spool.keep(data))
            self._touch(blob)
            return blob, offset

    def _touch(self, blob: Blob) -> None:
        blob.etag, blob.modified = self._etag(), self.state.clock.now()

    def stage_block(self, account: str, container: str, name: str, block_id: str, data: bytes | Content) -> None:
        """Keep a block until a block list commits it."""
        with self.state.lock:
            blocks = self.container(account, container).uncommitted.setdefault(name, {})
            if any(len(known) != len(block_id) for known in blocks):
                raise AzureError(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
            blocks[block_id] = self.state.spool.keep(data)

    def commit_blocks(
        self,
        account: str,
        container: str,
        name: str,
        entries: list[tuple[str, str]],
        *,
        content_type: str = DEFAULT_TYPE,
        metadata: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Blob:
        """Make a blob of blocks; `entries` are pairs of Latest, Committed or Uncommitted and a block id."""
        with self.state.lock:
            inside = self.container(account, container)
            staged = inside.uncommitted.get(name, {})
            before = inside.blobs.get(name)
            committed = dict(zip(before.block_ids, before.blocks, strict=False)) if before else {}
            blocks: list[Content] = []
            for which, block_id in entries:
                sources = {"Latest": (staged, committed), "Committed": (committed,), "Uncommitted": (staged,)}[which]
                found = next((source[block_id] for source in sources if block_id in source), None)
                if found is None:
                    raise AzureError(400, "InvalidBlockList", "The specified block list is invalid.")
                blocks.append(found)
            blob = self.put(account, container, name, content_type=content_type, metadata=metadata, headers=headers)
            blob.blocks, blob.block_ids = blocks, [block_id for _, block_id in entries]
            return blob

    def delete(self, account: str, container: str, name: str) -> None:
        """Delete a blob."""
        with self.state.lock:
            self.get(account, container, name)
            del self.container(account, container).blobs[name]

    def names(self, account: str, container: str, prefix: str = "") -> Iterator[str]:
        """Return the names of the blobs below a prefix, sorted as the service sorts them."""
        with self.state.lock:
            found = sorted(name for name in self.container(account, container).blobs if name.startswith(prefix))
        return iter(found)

    # ---- addresses

    def sas_url(self, account: str, container: str, name: str, permissions: str = "r", hours: float = 24.0) -> str:
        """Return an address of a blob that its holder may use for a while.

        The path is not percent-encoded: the SDK encodes it by itself.
        """
        key = self.state.tenancy.account(account).keys[0]
        query = service_sas(
            account, container, name, key, now=self.state.clock.now(), permissions=permissions, hours=hours
        )
        return f"https://{account}.blob.core.windows.net/{container}/{name}?{query}"
