"""Data sets: named, versioned definitions of what to read from where. State and behaviour, no HTTP.

A definition is an MLTable document (YAML) that the client wraps in JSON; the service keeps it and hands it back. Data
is read by the client's own engine, or by a job of the fake (`fakes.executor.inputs`).

Facts: ``azureml.data._dataset_rest_helper`` and ``azureml._restclient.operations.dataset_operations`` of
``azureml-core`` 1.61.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakes.core.errors import bad_request, conflict, not_found
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace

if TYPE_CHECKING:
    from fakes.core.state import State

Document = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .-]{0,254}")


class DatasetsBackend(Backend):
    """Data sets of every workspace of a state."""

    name = "datasets"
    exported = ("stores",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.stores: dict[str, Document] = {}

    def _store(self, workspace: Workspace) -> Document:
        return self.stores.setdefault(workspace.key, {"registered": {}, "saved": {}})

    # ---- saved definitions ----------------------------------------------------------------------------------------

    def save(self, workspace: Workspace, body: Mapping[str, Any]) -> Document:
        """Keep a definition without a name; an equal one gives the same id."""
        dataflow = body.get("dataflowJson") or body.get("dataflow")
        definition_of(dataflow)
        saved: dict[str, Document] = self._store(workspace)["saved"]
        made = {
            "datasetType": body.get("datasetType"),
            "properties": body.get("properties") or {},
            "dataflowJson": dataflow,
        }
        for held in saved.values():
            if all(held[key] == value for key, value in made.items()) and not held["registered"]:
                return held
        return self._add_saved(workspace, made)

    def _add_saved(self, workspace: Workspace, made: Document) -> Document:
        held = {**made, "id": self.state.ids.guid(), "registered": None}
        self._store(workspace)["saved"][held["id"]] = held
        return held

    def saved(self, workspace: Workspace, saved_id: str) -> Document:
        """Find a saved definition. Raises ``AzureError`` 404."""
        held = self._store(workspace)["saved"].get(saved_id)
        if held is None:
            raise not_found(f"Cannot find dataset with id {saved_id}.")
        found: Document = held
        return found

    # ---- registered -----------------------------------------------------------------------------------------------

    def register(self, workspace: Workspace, body: Mapping[str, Any], *, new_version: bool) -> Document:
        """Give a definition a name, or the name a new version.

        Raises
        ------
        AzureError
            400: name, definition, or the saved definition is registered already. 409: the name is taken and
            `new_version` is false.
        """
        name = str(body.get("name") or "")
        if not _NAME.fullmatch(name):
            raise bad_request(
                f"Dataset name {name!r} is invalid: letters, digits, underscores, dots, spaces and dashes only."
            )
        latest: Mapping[str, Any] = body.get("latest") or {}
        definition_of(latest.get("dataflow"))
        registered: dict[str, Document] = self._store(workspace)["registered"]
        held = registered.get(name)
        if held is not None and not new_version:
            raise conflict(f"There is already a dataset registered under name {name}.")
        saved_id = latest.get("savedDatasetId")
        if saved_id:
            taken = self.saved(workspace, saved_id)["registered"]
            if taken:
                raise bad_request(f"The dataset has been registered as {taken[0]}:{taken[1]} (name:version).")
        now = self.state.clock.iso()
        if held is None:
            held = registered[name] = {
                "datasetId": self.state.ids.guid(),
                "name": name,
                "datasetType": body.get("datasetType"),
                "isVisible": body.get("isVisible", True),
                "createdTime": now,
                "versions": [],
            }
        elif held["datasetType"] != body.get("datasetType"):
            raise bad_request(f"Dataset {name} is of type {held['datasetType']}, not {body.get('datasetType')}.")
        held["description"] = body.get("description")
        held["tags"] = dict(body.get("tags") or {})
        held["modifiedTime"] = now
        if not (held["versions"] and _same(held["versions"][-1], latest)):
            self._add_version(workspace, held, latest, saved_id)
        return shown(held)

    def _add_version(
        self, workspace: Workspace, held: Document, latest: Mapping[str, Any], saved_id: str | None
    ) -> None:
        number = str(len(held["versions"]) + 1)
        made = {
            "datasetType": held["datasetType"],
            "properties": latest.get("properties") or {},
            "dataflowJson": latest["dataflow"],
        }
        saved = self.saved(workspace, saved_id) if saved_id else self._add_saved(workspace, made)
        saved["registered"] = [held["name"], number]
        held["versions"].append(
            {
                "datasetId": held["datasetId"],
                "versionId": number,
                "savedDatasetId": saved["id"],
                "dataflow": latest["dataflow"],
                "properties": latest.get("properties") or {},
                "datasetDefinitionState": {"state": "active"},
                "createdTime": self.state.clock.iso(),
                "description": held.get("description"),
            }
        )

    def by_name(self, workspace: Workspace, name: str, version: str | None = None) -> Document:
        """Find by name. Raises ``AzureError`` 404."""
        held = self._store(workspace)["registered"].get(name)
        if held is None:
            raise not_found(f"Cannot find dataset registered with name {name}.")
        return shown(held, version)

    def by_id(self, workspace: Workspace, dataset_id: str, version: str | None = None) -> Document:
        """Find by the id that all versions share. Raises ``AzureError`` 404."""
        return shown(self._held(workspace, dataset_id), version)

    def _held(self, workspace: Workspace, dataset_id: str) -> Document:
        for held in self._store(workspace)["registered"].values():
            if held["datasetId"] == dataset_id:
                found: Document = held
                return found
        raise not_found(f"Cannot find dataset with id {dataset_id}.")

    def by_saved_id(self, workspace: Workspace, saved_id: str) -> list[Document]:
        """The registered version with this saved definition, if any."""
        return [
            shown(held, version["versionId"])
            for held in self._store(workspace)["registered"].values()
            for version in held["versions"]
            if version["savedDatasetId"] == saved_id
        ]

    def versions(self, workspace: Workspace, dataset_id: str) -> list[Document]:
        """All definitions of a data set, oldest first. Raises ``AzureError`` 404."""
        return list(self._held(workspace, dataset_id)["versions"])

    def list(self, workspace: Workspace) -> list[Document]:
        """All registered data sets, each with its newest version."""
        return [shown(held) for held in self._store(workspace)["registered"].values()]

    def update(self, workspace: Workspace, dataset_id: str, body: Mapping[str, Any]) -> Document:
        """Set description and tags. Raises ``AzureError`` 404."""
        held = self._held(workspace, dataset_id)
        held["description"] = body.get("description")
        held["tags"] = dict(body.get("tags") or {})
        held["modifiedTime"] = self.state.clock.iso()
        return shown(held)

    def unregister(self, workspace: Workspace, name: str) -> None:
        """Forget a name with all its versions; the data stays. Raises ``AzureError`` 404."""
        self.by_name(workspace, name)
        held = self._store(workspace)["registered"].pop(name)
        for version in held["versions"]:
            self.saved(workspace, version["savedDatasetId"])["registered"] = None


def definition_of(dataflow: Any) -> str:
    """The MLTable document in what a client sent. Raises ``AzureError`` 400."""
    try:
        wrapped = json.loads(dataflow or "")
        text = wrapped["meta"]["RsDataflow"]
    except (TypeError, KeyError, ValueError) as error:
        raise bad_request(
            "The dataset has no definition that this service reads (RsDataflow): it was made by an SDK that is too old."
        ) from error
    return str(text)


def shown(held: Mapping[str, Any], version: str | None = None) -> Document:
    """A data set as clients see it, with one version (the newest when None). Raises ``AzureError`` 404."""
    found = held["versions"][-1] if version is None else None
    for item in held["versions"]:
        if version is not None and item["versionId"] == str(version):
            found = item
    if found is None:
        raise not_found(f"Dataset {held['name']} has no version {version}.")
    return {
        **{name: value for name, value in held.items() if name != "versions"},
        "datasetState": {"state": "active"},
        "etag": f"{held['datasetId']}-{found['versionId']}",
        "latest": found,
    }


def _same(version: Mapping[str, Any], latest: Mapping[str, Any]) -> bool:
    return bool(
        version["dataflow"] == latest.get("dataflow") and version["properties"] == (latest.get("properties") or {})
    )
