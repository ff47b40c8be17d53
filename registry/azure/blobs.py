"""Small documents in the workspace's default datastore, each created exclusively and never changed.

Put with ``If-None-Match: *``, of two writers one is told that the blob exists (https://learn.microsoft.com/rest/api/
storageservices/specifying-conditional-headers-for-blob-service-operations).
"""

from __future__ import annotations

from typing import Any

from registry.azure.workspace import AzureWorkspace, translated


class BlobFolder:
    """The blobs below one prefix, which ends in ``/``."""

    def __init__(self, workspace: AzureWorkspace, prefix: str) -> None:
        self._workspace = workspace
        self.prefix = prefix

    def names(self) -> list[str]:
        """Names below the prefix, without it, sorted."""
        with translated(f"the blobs below {self.prefix}"):
            found = self._container().list_blobs(name_starts_with=self.prefix)
            return sorted(blob.name[len(self.prefix) :] for blob in found)

    def read(self, name: str) -> bytes:
        """The content of one blob. Raises ``NotFound``."""
        with translated(f"the blob {self.prefix}{name}"):
            return bytes(self._container().download_blob(self.prefix + name).readall())

    def create(self, name: str, data: bytes) -> bool:
        """Create one blob; false if it exists with another content.

        With the same content it is this very call's: a connection that ends before the answer makes the SDK send the
        blob again. Give contents that tell writers apart, such as who and when.
        """
        with translated(f"the blob {self.prefix}{name}"):
            try:
                self._container().upload_blob(self.prefix + name, data, overwrite=False)
            except Exception as error:
                if type(error).__name__ == "ResourceExistsError":
                    return self.read(name) == data
                raise
        return True

    def _container(self) -> Any:
        datastore = self._workspace.datastore
        return datastore.blob_service.get_container_client(container=datastore.container_name)
