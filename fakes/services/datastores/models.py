"""Datastores: names for places where data lies. State and behaviour, no HTTP.

Facts: ``azureml.data.datastore_client`` and ``azureml._restclient.models.data_store`` of ``azureml-core`` 1.61, and
https://learn.microsoft.com/azure/machine-learning/v1/how-to-access-data for the built-in ones.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakes.core.errors import bad_request, not_found
from fakes.core.state import Backend
from fakes.core.tenancy import StorageAccount, Workspace

if TYPE_CHECKING:
    from fakes.core.state import State

Document = dict[str, Any]

DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"
BUILT_IN = (DEFAULT, "workspaceworkingdirectory", ARTIFACTS, "workspacefilestore")
# The SDK looks for this sentence before it overwrites.
TAKEN = "Another datastore with the same name already exists"
_NAME = re.compile(r"[a-z0-9_]{1,255}")

_SECTIONS = {
    "AzureBlob": "azureStorageSection",
    "AzureFile": "azureStorageSection",
    "AzureDataLake": "azureDataLakeSection",
    "AzureDataLakeGen2": "azureStorageSection",
    "AzureSqlDatabase": "azureSqlDatabaseSection",
    "AzurePostgreSql": "azurePostgreSqlSection",
    "AzureMySql": "azureMySqlSection",
    "DBFS": None,
    "Hdfs": "hdfsSection",
}
_ALL_SECTIONS = (
    "azureStorageSection",
    "azureDataLakeSection",
    "azureSqlDatabaseSection",
    "azurePostgreSqlSection",
    "azureMySqlSection",
    "hdfsSection",
    "glusterFsSection",
)


class DatastoresBackend(Backend):
    """Datastores of every workspace of a state."""

    name = "datastores"
    exported = ("stores",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.stores: dict[str, Document] = {}

    def _store(self, workspace: Workspace) -> Document:
        store = self.stores.get(workspace.key)
        if store is None:
            store = self.stores[workspace.key] = {"default": DEFAULT, "items": {}}
            for name in BUILT_IN:
                store["items"][name] = self._built_in(workspace, name)
        return store

    def _built_in(self, workspace: Workspace, name: str) -> Document:
        is_file = name in ("workspacefilestore", "workspaceworkingdirectory")
        if name == ARTIFACTS:
            container = workspace.container
        elif is_file:
            container = f"code-{workspace.workspace_id[:8]}"
        else:
            container = f"azureml-blobstore-{workspace.workspace_id}"
        key = self.state.tenancy.account(workspace.storage_account).keys[0]
        section = {
            "accountName": workspace.storage_account,
            "containerName": container,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentialType": "AccountKey",
            "credential": key,
            "accountKey": key,
            "isSas": False,
        }
        return _document(name, "AzureFile" if is_file else "AzureBlob", section, {})

    def get(self, workspace: Workspace, name: str) -> Document:
        """Find a datastore; names are matched in any case. Raises ``AzureError`` 404."""
        held = self._store(workspace)["items"].get(name.lower())
        if held is None:
            raise not_found(f"Could not find datastore with name: {name}")
        found: Document = held
        return found

    def default(self, workspace: Workspace) -> Document:
        """The default datastore."""
        return self.get(workspace, self._store(workspace)["default"])

    def set_default(self, workspace: Workspace, name: str) -> None:
        """Make another datastore the default. Raises ``AzureError`` 404."""
        self._store(workspace)["default"] = self.get(workspace, name)["name"]

    def list(self, workspace: Workspace) -> list[Document]:
        """All datastores, the default one first."""
        store = self._store(workspace)
        return sorted(store["items"].values(), key=lambda item: item["name"] != store["default"])

    def register(self, workspace: Workspace, body: Mapping[str, Any], *, overwrite: bool = False) -> Document:
        """Keep a datastore.

        A storage account that this fake does not know yet, given with its key, is made: its blobs are then served
        like any other's.

        Raises
        ------
        AzureError
            400: a name or section that the cloud refuses, or the name is taken.
        """
        items = self._store(workspace)["items"]
        made = self._checked(body)
        if made["name"] in items and not overwrite:
            raise bad_request(f"{TAKEN}: {made['name']}")
        if overwrite:
            self.get(workspace, made["name"])
        items[made["name"]] = made
        self._adopt_account(made)
        return made

    def delete(self, workspace: Workspace, name: str) -> bool:
        """Forget a datastore (its data stays); gives whether it was there. Raises ``AzureError`` 400."""
        store = self._store(workspace)
        if store["default"] == name.lower():
            raise bad_request("The default datastore cannot be deleted; make another one the default first.")
        return store["items"].pop(name.lower(), None) is not None

    def _checked(self, body: Mapping[str, Any]) -> Document:
        name, kind = str(body.get("name") or "").lower(), body.get("dataStoreType")
        if not _NAME.fullmatch(name):
            raise bad_request(
                f"Datastore name {name!r} is invalid: only lowercase letters, digits and underscores are allowed."
            )
        if kind not in _SECTIONS:
            raise bad_request(f"dataStoreType {kind!r} is none of {', '.join(_SECTIONS)}.")
        section_name = _SECTIONS[kind]
        section = dict(body.get(section_name) or {}) if section_name else {}
        if kind in ("AzureBlob", "AzureFile"):
            for field in ("accountName", "containerName"):
                if not section.get(field):
                    raise bad_request(f"{field} is required for a datastore of type {kind}.")
            self._check_credential(section)
        return _document(name, kind, section, body.get("tags") or {})

    def _check_credential(self, section: Document) -> None:
        section["endpoint"] = section.get("endpoint") or "core.windows.net"
        section["protocol"] = section.get("protocol") or "https"
        kind = section.get("credentialType") or "None"
        credential = section.get("credential")
        if kind == "AccountKey":
            try:
                base64.b64decode(credential or "", validate=True)
            except (binascii.Error, ValueError) as error:
                raise bad_request("The account key is not valid base64.") from error
            known = self.state.tenancy.accounts.get(section["accountName"])
            if known is not None and credential not in known.keys:
                raise bad_request(
                    f"The account key was refused by storage account {section['accountName']}: authentication failed."
                )
        section["accountKey"] = credential if kind == "AccountKey" else None
        section["sasToken"] = credential if kind == "Sas" else None
        section["isSas"] = kind == "Sas"

    def _adopt_account(self, made: Document) -> None:
        section = made.get("azureStorageSection") or {}
        name, key = section.get("accountName"), section.get("accountKey")
        if name and key and name not in self.state.tenancy.accounts:
            self.state.tenancy.accounts[name] = StorageAccount(name, [key, key])


def place(datastore: Mapping[str, Any]) -> tuple[str, str]:
    """Account and container of a blob datastore. Raises ``AzureError`` 400 for other types."""
    if datastore["dataStoreType"] != "AzureBlob":
        raise bad_request(f"Datastore {datastore['name']} is of type {datastore['dataStoreType']}, not AzureBlob.")
    section = datastore["azureStorageSection"]
    return section["accountName"], section["containerName"]


def _document(name: str, kind: str, section: Document, tags: Mapping[str, str]) -> Document:
    document: Document = {"name": name, "dataStoreType": kind, "hasBeenValidated": True, "tags": dict(tags)}
    for section_name in _ALL_SECTIONS:
        document[section_name] = section if _SECTIONS[kind] == section_name else None
    return document
