"""The pipeline service: modules, graphs, published pipelines, endpoints, runs. State and behaviour, no HTTP.

Runs and nodes have status codes of their own, in two different tables; run history has words. All three are kept
here in step by whoever executes the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakes.core.errors import AzureError, bad_request, conflict, not_found
from fakes.services.pipelines.entities import Document, Entities, interface_of, is_active, status_number
from fakes.services.pipelines.graphs import ordered

RUN_CODES = {"NotStarted": "0", "Running": "1", "Failed": "2", "Finished": "3", "Canceled": "4"}
NODE_CODES = {
    "NotStarted": "0",
    "Queued": "1",
    "Running": "2",
    "Failed": "3",
    "Finished": "4",
    "Canceled": "5",
    "PartiallyExecuted": "6",
    "Bypassed": "7",
}
FINAL_RUN = frozenset({"Failed", "Finished", "Canceled"})
FINAL_NODE = frozenset({"Failed", "Finished", "Canceled", "Bypassed"})
_ASSIGNMENTS = ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments")


class Pipelines:
    """The pipeline service of one workspace; parameters are those of `Entities`."""

    def __init__(self, store: Document, now: Callable[[], str], new_id: Callable[[], str]) -> None:
        self.entities = Entities(store, now, new_id)

    # ---- modules and data sources ---------------------------------------------------------------------------------

    def create_module(self, info: Mapping[str, Any]) -> Document:
        """Keep a module: one step's code, interface and fingerprint."""
        if not info.get("Name"):
            raise bad_request("A module needs a Name.", code="BadRequest")
        kind = str(info.get("ModuleExecutionType") or "escloud")
        if kind.lower() != "escloud":
            raise AzureError(
                501,
                "NotImplementedByFake",
                f"Steps of type {info.get('StepType') or kind} are not implemented by this fake; nothing was created.",
            )
        body = {name: value for name, value in info.items() if name not in ("StorageId", "KvTags")}
        body |= {
            "UploadState": "1",
            "tags": info.get("KvTags") or {},
            "DataLocation": {"StorageType": "Snapshot", "StorageId": info.get("StorageId")},
        }
        return self.entities.add("Modules", body)

    def module(self, module_id: str) -> Document:
        """A module and its interface. Module versions are modules too."""
        version = self.entities.table("AzureMLModuleVersions").get(module_id)
        data = version["Data"] if version else self.entities.get("Modules", module_id)
        return {"Data": data, "Interface": interface_of(data.get("StructuredInterface"))}

    def module_by_hash(self, identifier_hash: str) -> Document:
        """The newest module with this fingerprint. Raises ``AzureError`` 404."""
        for held in reversed(self.entities.table("Modules").values()):
            if held.get("IdentifierHash") == identifier_hash:
                return self.module(held["Id"])
        raise not_found(f"No module has the hash {identifier_hash}.", code="NotFound")

    def create_data_source(self, info: Mapping[str, Any]) -> Document:
        """Keep a data source: a path on a datastore."""
        reference = {
            "Type": "1",
            "AzureBlobReference": {
                "AmlDataStoreName": info.get("DataStoreName"),
                "RelativePath": info.get("PathOnDataStore"),
            },
        }
        if info.get("SqlTableName") or info.get("SqlQuery") or info.get("SqlStoredProcedureName"):
            raise bad_request("Data sources in SQL databases are not offered by this workspace.", code="NotImplemented")
        body = {
            "Name": info.get("Name"),
            "Description": info.get("Description"),
            "DataTypeId": info.get("DataTypeId"),
            "IdentifierHash": info.get("IdentifierHash"),
            "UploadState": "1",
            "DataLocation": {"StorageType": "AmlDataStore", "DataReference": reference},
        }
        return self.entities.add("DataSources", body)

    def data_source_by_hash(self, identifier_hash: str) -> Document:
        """The newest data source with this fingerprint. Raises ``AzureError`` 404."""
        for held in reversed(self.entities.table("DataSources").values()):
            if held.get("IdentifierHash") == identifier_hash:
                return held
        raise not_found(f"No data source has the hash {identifier_hash}.", code="NotFound")

    # ---- graphs ---------------------------------------------------------------------------------------------------

    def add_graph(self, graph: Mapping[str, Any] | None, interface: Mapping[str, Any] | None) -> str:
        """Keep a graph with its interface; gives its id. Raises ``AzureError`` 400 for a graph that cannot run."""
        checked = self._checked_graph(graph)
        held = self.entities.add("Graphs", checked)
        self.entities.table("GraphInterfaces")[held["Id"]] = dict(interface or {})
        return str(held["Id"])

    def graph_interface(self, graph_id: str) -> Document:
        """Parameters of a graph. Raises ``AzureError`` 404."""
        self.entities.get("Graphs", graph_id)
        return self.entities.table("GraphInterfaces")[graph_id]

    def _checked_graph(self, graph: Mapping[str, Any] | None) -> Document:
        if not graph or not graph.get("ModuleNodes"):
            raise bad_request("The graph has no steps.", code="BadRequest")
        nodes = [node["Id"] for kind in ("ModuleNodes", "DatasetNodes") for node in graph.get(kind) or []]
        if len(set(nodes)) != len(nodes):
            raise bad_request("Two nodes of the graph have the same id.", code="BadRequest")
        for node in graph["ModuleNodes"]:
            self.module(node["ModuleId"])
        for edge in graph.get("Edges") or []:
            for port in (edge["SourceOutputPort"], edge["DestinationInputPort"]):
                if port.get("GraphPortName") is None and port.get("NodeId") not in nodes:
                    raise bad_request(f"An edge names the node {port.get('NodeId')}, which is not there.", "BadRequest")
        ordered(graph)
        return {
            "ModuleNodes": list(graph["ModuleNodes"]),
            "DatasetNodes": list(graph.get("DatasetNodes") or []),
            "Edges": list(graph.get("Edges") or []),
        }

    # ---- published pipelines --------------------------------------------------------------------------------------

    def create_pipeline(self, info: Mapping[str, Any], url: Callable[[str], str]) -> Document:
        """Publish a graph; `url` makes the address to submit to from the id."""
        if not info.get("Name"):
            raise bad_request("A published pipeline needs a Name.", code="BadRequest")
        graph_id = self.add_graph(info.get("Graph"), info.get("GraphInterface"))
        return self._add_pipeline(info, graph_id, url)

    def _add_pipeline(self, info: Mapping[str, Any], graph_id: str, url: Callable[[str], str]) -> Document:
        body = {
            "Name": info.get("Name"),
            "Description": info.get("Description"),
            "Version": info.get("Version"),
            "GraphId": graph_id,
            "TotalRunSteps": len(self.entities.get("Graphs", graph_id)["ModuleNodes"]),
            "ContinueRunOnStepFailure": bool(info.get("ContinueRunOnStepFailure")),
            "Properties": info.get("Properties") or {},
            "EnableNotification": info.get("EnableNotification"),
        }
        for name in _ASSIGNMENTS:
            body[name] = info.get(name) or {}
        held = self.entities.add("Pipelines", body)
        held["Url"] = url(held["Id"])
        return held

    def publish_graph(self, graph_id: str, info: Mapping[str, Any], url: Callable[[str], str]) -> Document:
        """Publish a graph that is kept already (of a run or a draft)."""
        return self._add_pipeline(info, graph_id, url)

    def set_status(self, kind: str, entity_id: str, status: Any) -> None:
        """Make an entity Active, Deprecated or Disabled."""
        self.entities.update(kind, entity_id, {"EntityStatus": status_number(status)})

    # ---- endpoints ------------------------------------------------------------------------------------------------

    def create_endpoint(self, info: Mapping[str, Any], url: Callable[[str], str]) -> Document:
        """Make an endpoint whose version 0 is the pipeline. Raises ``AzureError`` 400, 404, 409."""
        name = info.get("Name")
        if not name:
            raise bad_request("A pipeline endpoint needs a Name.", code="BadRequest")
        if any(held["Name"] == name for held in self.entities.table("PipelineEndpoints").values()):
            raise conflict(f"A pipeline endpoint with the name {name} already exists.")
        self.entities.get("Pipelines", str(info.get("PipelineId")))
        body = {
            "Name": name,
            "Description": info.get("Description"),
            "DefaultVersion": "0",
            "PipelineVersionList": [{"Version": "0", "PipelineId": info["PipelineId"]}],
            "Properties": info.get("Properties") or {},
            "tags": {},
        }
        held = self.entities.add("PipelineEndpoints", body)
        held["Url"] = url(held["Id"])
        held["SwaggerUrl"] = None
        return held

    def endpoint_by_name(self, name: str) -> Document:
        """Find an endpoint. Raises ``AzureError`` 404."""
        for held in self.entities.table("PipelineEndpoints").values():
            if held["Name"] == name:
                return held
        raise not_found(f"No pipeline endpoint has the name {name}.", code="NotFound")

    def update_endpoint(self, endpoint_id: str, change: Mapping[str, Any]) -> Document:
        """Replace versions, default, name, description, status; each version must name a pipeline that exists."""
        versions = change.get("PipelineVersionList") or []
        for version in versions:
            self.entities.get("Pipelines", version["PipelineId"])
        if versions and str(change.get("DefaultVersion")) not in {str(item["Version"]) for item in versions}:
            raise bad_request(f"The default version {change.get('DefaultVersion')} is not in the list of versions.")
        kept = {name: value for name, value in change.items() if name not in ("Url", "SwaggerUrl")}
        return self.entities.update("PipelineEndpoints", endpoint_id, kept)

    def endpoint_pipeline(self, endpoint_id: str, version: str | None) -> str:
        """Id of the pipeline behind a version (the default one when None). Raises ``AzureError`` 400, 404."""
        held = self.entities.get("PipelineEndpoints", endpoint_id)
        if not is_active(held):
            raise bad_request(f"The pipeline endpoint {held['Name']} is disabled.", code="BadRequest")
        wanted = str(version if version is not None else held["DefaultVersion"])
        for item in held["PipelineVersionList"]:
            if str(item["Version"]) == wanted:
                return str(item["PipelineId"])
        raise not_found(f"The pipeline endpoint {held['Name']} has no version {wanted}.", code="NotFound")

    # ---- runs -----------------------------------------------------------------------------------------------------

    def create_run(self, graph_id: str, info: Mapping[str, Any], *, pipeline: Document | None = None) -> Document:
        """Make a run that is not submitted yet. Raises ``AzureError`` 400: a parameter that the graph has not."""
        graph = self.entities.get("Graphs", graph_id)
        experiment = info.get("RunHistoryExperimentName") or info.get("ExperimentName")
        if not experiment:
            raise bad_request("An experiment name is needed to submit a pipeline.", code="BadRequest")
        body: Document = {
            "Description": info.get("Description") or (pipeline or {}).get("Description"),
            "Status": {
                "StatusCode": RUN_CODES["NotStarted"],
                "StatusDetail": None,
                "CreationTime": self.entities.now(),
            },
            "GraphId": graph_id,
            "IsSubmitted": False,
            "HasErrors": False,
            "HasWarnings": False,
            "UploadState": "1",
            "RunHistoryExperimentName": experiment,
            "PipelineId": (pipeline or {}).get("Id"),
            "RunSource": info.get("RunSource"),
            "RunType": info.get("RunType") or "SDK",
            "ScheduleId": info.get("ScheduleId"),
            "TotalRunSteps": len(graph["ModuleNodes"]),
            "tags": info.get("tags") or info.get("Tags") or {},
            "Properties": info.get("Properties") or {},
        }
        proceed = info.get("ContinueRunOnStepFailure")
        if proceed is None:
            proceed = info.get("ContinueExperimentOnNodeFailure")
        if proceed is None:
            proceed = (pipeline or {}).get("ContinueRunOnStepFailure")
        body["ContinueRunOnStepFailure"] = bool(proceed)
        for name in _ASSIGNMENTS:
            body[name] = self._assigned(name, graph_id, info, pipeline)
        held = self.entities.add("PipelineRuns", body)
        nodes: dict[str, Document] = {
            node["Id"]: {"status": "NotStarted", "runId": None, "outputs": {}, "reuse": None}
            for node in graph["ModuleNodes"]
        }
        self.entities.table("RunNodes")[held["Id"]] = nodes
        return held

    def _assigned(
        self, name: str, graph_id: str, info: Mapping[str, Any], pipeline: Mapping[str, Any] | None
    ) -> Document:
        """Values by parameter: the defaults of the graph, over them the pipeline's, over them the caller's."""
        field = {
            "ParameterAssignments": "Parameters",
            "DataPathAssignments": "DataPathParameters",
            "DataSetDefinitionValueAssignments": "DataPathParameterList",
        }[name]
        values = {item["Name"]: item.get("DefaultValue") for item in self.graph_interface(graph_id).get(field) or []}
        given = {**((pipeline or {}).get(name) or {}), **(info.get(name) or {})}
        unknown = sorted(given.keys() - values.keys())
        if unknown:
            raise bad_request(
                f"The pipeline has no parameter {', '.join(unknown)}; it has: {', '.join(sorted(values)) or 'none'}.",
                code="BadRequest",
            )
        return {**values, **given}

    def set_run_status(self, run_id: str, status: str, *, detail: str | None = None) -> None:
        """Move a run on, unless it has ended."""
        held = self.entities.get("PipelineRuns", run_id)["Status"]
        if self.run_status(run_id) in FINAL_RUN:
            return
        held["StatusCode"] = RUN_CODES[status]
        held["StatusDetail"] = detail
        if status in FINAL_RUN:
            held["EndTime"] = self.entities.now()

    def run_status(self, run_id: str) -> str:
        """The word for the status of a run."""
        code = self.entities.get("PipelineRuns", run_id)["Status"]["StatusCode"]
        return next(word for word, number in RUN_CODES.items() if number == code)

    # ---- nodes of a run -------------------------------------------------------------------------------------------

    def nodes(self, run_id: str) -> dict[str, Document]:
        """All nodes of a run by id. Raises ``AzureError`` 404."""
        self.entities.get("PipelineRuns", run_id)
        return self.entities.table("RunNodes")[run_id]

    def node(self, run_id: str, path: Any) -> Document:
        """One node of a run; `path` is the list that clients send. Raises ``AzureError`` 400, 404."""
        if not isinstance(path, list) or len(path) != 1:
            raise bad_request("The body must be a list with the id of one node.", code="BadRequest")
        held = self.nodes(run_id).get(path[0])
        if held is None:
            raise not_found(f"Pipeline run {run_id} has no node {path[0]}.", code="NotFound")
        return held

    def set_node(self, run_id: str, node_id: str, status: str, **change: Any) -> None:
        """Move a node on and note what is given (runId, outputs, reuse)."""
        held = self.nodes(run_id)[node_id]
        held.update(change)
        held["status"] = status
        now = self.entities.now()
        held.setdefault("created", now)
        if status == "Running":
            held.setdefault("started", now)
        if status in FINAL_NODE:
            held["ended"] = now

    @staticmethod
    def task_status(node: Mapping[str, Any]) -> Document:
        """The status document of a node."""
        return {
            "StatusCode": NODE_CODES[node["status"]],
            "StatusDetail": node.get("detail"),
            "RunId": node.get("runId"),
            "CreationTime": node.get("created"),
            "ScheduleTime": node.get("created"),
            "StartTime": node.get("started"),
            "EndTime": node.get("ended"),
            "ReuseInfo": node.get("reuse"),
            "HasWarnings": False,
        }
