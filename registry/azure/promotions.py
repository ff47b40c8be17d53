"""The promotion log of an alias, as blobs that are created exclusively in the workspace's default datastore.

Entry *n* of an alias is the blob ``mlops-promotions/<model>/<alias>/<n>.json``, put with ``If-None-Match: *``: of two
writers one is told that it exists (https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-
for-blob-service-operations). What the alias names is what its last entry says; Azure's tags only mirror it.
"""

from __future__ import annotations

import json
from typing import Any

from registry.azure.workspace import AzureWorkspace, translated
from registry.errors import Corrupt

FOLDER = "mlops-promotions"


class BlobLog:
    """Numbered documents below one prefix of the default datastore."""

    def __init__(self, workspace: AzureWorkspace, model: str, alias: str) -> None:
        self._workspace = workspace
        self._prefix = f"{FOLDER}/{model}/{alias}/"

    def _container(self) -> Any:
        datastore = self._workspace.datastore
        return datastore.blob_service.get_container_client(container=datastore.container_name)

    def entries(self) -> list[dict[str, Any]]:
        """All documents in the order of their numbers. Raises ``Corrupt`` if one is missing or damaged."""
        with translated(f"the promotion log {self._prefix}"):
            names = [blob.name for blob in self._container().list_blobs(name_starts_with=self._prefix)]
            found = []
            for name in sorted(names):
                found.append(_decode(self._container().download_blob(name).readall(), name))
        for position, entry in enumerate(found, 1):
            if entry["sequence"] != position:
                raise Corrupt(f"the promotion log {self._prefix} has no entry {position}")
        return found

    def append(self, entry: dict[str, Any]) -> bool:
        """Create the entry's blob; false if somebody else has created that number."""
        name = f"{self._prefix}{entry['sequence']:08d}.json"
        data = json.dumps(entry, sort_keys=True).encode()
        with translated(f"the promotion log {self._prefix}"):
            try:
                self._container().upload_blob(name, data, overwrite=False)
            except Exception as error:
                if type(error).__name__ == "ResourceExistsError":
                    return False
                raise
        return True


def aliases_of(workspace: AzureWorkspace, model: str) -> list[str]:
    """Names of the aliases of a model that have a promotion log, sorted."""
    prefix = f"{FOLDER}/{model}/"
    with translated(f"the promotion logs of {model}"):
        datastore = workspace.datastore
        container = datastore.blob_service.get_container_client(container=datastore.container_name)
        return sorted(
            {blob.name[len(prefix) :].split("/")[0] for blob in container.list_blobs(name_starts_with=prefix)}
        )


def _decode(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
        document["sequence"], document["to_version"], document["when"]
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"the promotion log entry {name} is damaged: {error!r}") from error
    return dict(document)
