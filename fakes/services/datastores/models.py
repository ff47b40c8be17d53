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
from urllib.parse import parse_qsl

from fakes.core.errors import AzureError, bad_request, not_found
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.blob.models import BlobBackend, check_container_name
from fakes.services.blob.signatures import check_sas

if TYPE_CHECKING:
    from fakes.core.state import State

Document = dict[str, Any]

DEFAULT = "workspaceblobstore"
ARTIFACTS = "workspaceartifactstore"
BUILT_IN = (DEFAULT, "workspaceworkingdirectory", ARTIFACTS, "workspacefilestore")
# The SDK looks for this sentence before it overwrites.
TAKEN = "Another datastore with the same name already exists"
# https://github.com/MicrosoftDocs/azure-docs/issues/35204
FORBIDDEN = "Forbidden. Please make sure the credentials are correct"
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

    def register(
        self,
        workspace: Workspace,
        body: Mapping[str, Any],
        *,
        overwrite: bool = False,
        create: bool = False,
        validate: bool = True,
    ) -> Document:
        """Keep a datastore.

        A storage account that this fake does not know yet, given with its key or a signature, is taken to be there with
        its container: its blobs are then served like any other's.

        Parameters
        ----------
        create
            Make the container when it is not there.
        validate
            Refuse credentials that do not open the container.

        Raises
        ------
        AzureError
            400: a name, section or credential that the cloud refuses, or the name is taken.
        """
        items = self._store(workspace)["items"]
        made = self._checked(body)
        if made["name"] in items and not overwrite:
            raise bad_request(f"{TAKEN}: {made['name']}")
        if overwrite:
            self.get(workspace, made["name"])
        section = made["azureStorageSection"]
        if section and section.get("accountName"):
            if made["dataStoreType"] == "AzureBlob":
                check_container_name(section["containerName"])  # before anything is made for it
            if not self._adopt(section) and validate:
                self._check_opens(section)
            if made["dataStoreType"] == "AzureBlob":
                self._container(section, create=create, validate=validate)
        items[made["name"]] = made
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
        section["accountKey"] = credential if kind == "AccountKey" else None
        section["sasToken"] = credential if kind == "Sas" else None
        section["isSas"] = kind == "Sas"

    def _adopt(self, section: Document) -> bool:
        """Take an account that is told of; tell whether its credentials are taken as they are."""
        accounts, name = self.state.tenancy.accounts, section["accountName"]
        key, signature = section.get("accountKey"), _signature(section)
        known = accounts.get(name)
        if known is None and (key or signature):
            known = self.state.tenancy.add_account(name)
            known.outside, known.keyed = True, False
        if known is None or known.keyed or not (key or signature):
            return False
        if key:
            known.keys, known.keyed = [key, key], True
        known.signatures += [signature] if signature else []
        return True

    def _check_opens(self, section: Document) -> None:
        known = self.state.tenancy.accounts.get(section["accountName"])
        key, query = section.get("accountKey"), str(section.get("sasToken") or "").lstrip("?")
        if known is None and query:
            raise bad_request(FORBIDDEN)  # without a signature it opens nothing, wherever that is
        if known is None or (key and key in known.keys) or not (key or query):
            return
        if query:
            try:
                check_sas(
                    dict(parse_qsl(query)),
                    keys=known.keys,
                    account=known.name,
                    container=section["containerName"],
                    name="",
                    needs="rwl",
                    scheme="https",
                    now=self.state.clock.now(),
                )
            except AzureError as error:
                raise bad_request(FORBIDDEN) from error
            return
        raise bad_request(FORBIDDEN)

    def _container(self, section: Document, *, create: bool, validate: bool) -> None:
        account, name = self.state.tenancy.accounts.get(section["accountName"]), section["containerName"]
        if account is None:
            return
        blobs = self.state.backend(BlobBackend)
        if create or account.outside:
            blobs.ensure_container(account.name, name)
        elif validate and name not in blobs.account(account.name):
            raise bad_request(f"The specified container does not exist: {name}.")


def _signature(section: Mapping[str, Any]) -> str | None:
    return dict(parse_qsl(str(section.get("sasToken") or "").lstrip("?"))).get("sig")


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
