"""What flows into a step: the output of another step, a path on a datastore, a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.core.errors import bad_request
from fakes.core.tenancy import Workspace
from fakes.executor import bindings, datasets, storage
from fakes.executor.jobs import Job
from fakes.services.datasets.models import DatasetsBackend
from fakes.services.pipelines import graphs
from fakes.services.pipelines.backend import PipelinesBackend


@dataclass
class Feed:
    """The data of one input port.

    Attributes
    ----------
    signature : str
        Equal for equal data: part of what a reused result depends on.
    datastore, path : str
        Where it lies, when it is a path.
    saved_id : str
        Of the data set, when it is one.
    """

    job: Job
    workspace: Workspace
    signature: str
    datastore: str | None = None
    path: str | None = None
    saved_id: str | None = None

    def bind(self, bound: bindings.Bindings, port: str, setting: Mapping[str, Any], folder: Path) -> str:
        """Bring the data to `folder` (or hand on its id); gives what the argument becomes."""
        how = graphs.mode(setting)
        if setting.get("AdditionalTransformations"):
            raise datasets.CannotRead(f"input {port} transforms the data that it takes; the fake only copies files")
        name = setting.get("DataReferenceName") or port
        if self.saved_id is not None:
            value = self._dataset(how, folder)
        elif how == "direct":
            value = self._as_dataset()
        else:
            datastore = storage.datastore_named(self.job.state, self.workspace, self.datastore)
            storage.fetch_path(self.job.state, datastore, self.path or "", folder)
            value = str(folder)
        for each in dict.fromkeys((name, port)):
            bound.input(each, value, how)
        return value

    def _dataset(self, how: str, folder: Path) -> str:
        assert_id = str(self.saved_id)
        if how == "direct":
            return assert_id
        return str(datasets.materialise(self.job.state, self.workspace, assert_id, folder))

    def _as_dataset(self) -> str:
        """A saved data set over a path, for a step that wants the data set itself."""
        uri = (
            f"azureml://subscriptions/{self.workspace.subscription_id}"
            f"/resourcegroups/{self.workspace.resource_group}/workspaces/{self.workspace.name}"
            f"/datastores/{self.datastore}/paths/{self.path}"
        )
        dataflow = json.dumps({"blocks": [], "meta": {"RsDataflow": datasets.file_definition(uri)}})
        with self.job.locked() as state:
            saved = state.backend(DatasetsBackend).save(
                self.workspace, {"datasetType": "file", "dataflowJson": dataflow, "properties": {}}
            )
        return str(saved["id"])


class FeedReader:
    """Finds what flows into the steps of a pipeline run."""

    def __init__(self, job: Job, workspace: Workspace, entity: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
        self.job = job
        self.workspace = workspace
        self.entity = entity
        self.graph = graph

    def feeds(self, node_id: str) -> dict[str, Feed]:
        """By input port of a node, its data; ports that only carry order are left out."""
        found = {}
        for port, source in graphs.sources(self.graph, node_id).items():
            if port.startswith(graphs.ORDER_PREFIX):
                continue
            found[port] = self._from_dataset(source.node_id) if source.is_dataset else self._from_step(source)
        return found

    def _from_step(self, source: graphs.Source) -> Feed:
        with self.job.locked() as state:
            node = state.backend(PipelinesBackend).of(self.workspace).nodes(self.entity["Id"])[source.node_id]
            output = node["outputs"].get(source.port)
        if output is None:
            raise bad_request(f"Step {source.node_id} has no output {source.port}.", "BadRequest")
        # Who made it is part of what it is: two runs may write to one path.
        return self._path(output["datastore"], output["path"], made_by=output["run"])

    def _path(self, datastore: str | None, path: str, made_by: str = "") -> Feed:
        return Feed(self.job, self.workspace, f"path:{datastore}/{path}@{made_by}", datastore, path)

    def _saved(self, saved_id: str) -> Feed:
        return Feed(self.job, self.workspace, f"dataset:{saved_id}", saved_id=saved_id)

    def _from_dataset(self, node_id: str) -> Feed:
        node = next(item for item in self.graph["DatasetNodes"] if item["Id"] == node_id)
        if node.get("DataPathParameterName"):
            return self._from_data_path(node["DataPathParameterName"])
        if node.get("DatasetId"):
            with self.job.locked() as state:
                held = state.backend(PipelinesBackend).of(self.workspace).entities.get("DataSources", node["DatasetId"])
            reference = held["DataLocation"]["DataReference"]["AzureBlobReference"]
            return self._path(reference["AmlDataStoreName"], reference["RelativePath"] or "")
        definition = node.get("DataSetDefinition") or {}
        value = definition.get("Value")
        name = definition.get("ParameterName")
        if name:
            value = self.entities("DataSetDefinitionValueAssignments").get(name) or value
        return self._from_value(value or {}, name or node_id)

    def entities(self, name: str) -> Mapping[str, Any]:
        """One table of assignments of the run."""
        found: Mapping[str, Any] = self.entity.get(name) or {}
        return found

    def _from_data_path(self, name: str) -> Feed:
        value = self.entities("DataPathAssignments").get(name)
        if not value:
            raise bad_request(f"The data path parameter {name} has no value.", "BadRequest")
        return self._path(value.get("DataStoreName"), value.get("RelativePath") or "")

    def _from_value(self, value: Mapping[str, Any], what: str) -> Feed:
        saved, registered, literal = (
            value.get("SavedDataSetReference"),
            value.get("DataSetReference"),
            value.get("LiteralValue"),
        )
        if saved and saved.get("Id"):
            return self._saved(saved["Id"])
        if registered:
            with self.job.locked() as state:
                backend = state.backend(DatasetsBackend)
                version = registered.get("Version")
                if registered.get("Id"):
                    held = backend.by_id(self.workspace, registered["Id"], version)
                else:
                    held = backend.by_name(self.workspace, registered["Name"], version)
            return self._saved(held["latest"]["savedDatasetId"])
        if literal:
            return self._path(literal.get("DataStoreName"), literal.get("RelativePath") or "")
        raise bad_request(f"The data set {what} has no value.", "BadRequest")
