"""The promotion log of an alias, as blobs that are created exclusively in the workspace's default datastore.

Entry *n* of an alias is ``mlops-promotions/<model>/<alias>/<n>.json``. What the alias names is what its last entry
says; Azure's tags only mirror it.
"""

from __future__ import annotations

import json
from typing import Any

from registry.azure.blobs import BlobFolder
from registry.azure.workspace import AzureWorkspace
from registry.errors import Corrupt

FOLDER = "mlops-promotions"


class BlobLog:
    """The numbered entries of one alias."""

    def __init__(self, workspace: AzureWorkspace, model: str, alias: str) -> None:
        self._folder = BlobFolder(workspace, f"{FOLDER}/{model}/{alias}/")

    def entries(self) -> list[dict[str, Any]]:
        """All entries in the order of their numbers. Raises ``Corrupt`` if one is missing or damaged."""
        found = [_decode(self._folder.read(name), self._folder.prefix + name) for name in self._folder.names()]
        for position, entry in enumerate(found, 1):
            if entry["sequence"] != position:
                raise Corrupt(f"the promotion log {self._folder.prefix} has no entry {position}")
        return found

    def append(self, entry: dict[str, Any]) -> bool:
        """Create the entry's blob; false if somebody else has created that number."""
        return self._folder.create(f"{entry['sequence']:08d}.json", json.dumps(entry, sort_keys=True).encode())


def aliases_of(workspace: AzureWorkspace, model: str) -> list[str]:
    """Names of the aliases of a model that have a promotion log, sorted."""
    return sorted({name.split("/")[0] for name in BlobFolder(workspace, f"{FOLDER}/{model}/").names()})


def _decode(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
        document["sequence"], document["to_version"], document["when"]
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"the promotion log entry {name} is damaged: {error!r}") from error
    return dict(document)
