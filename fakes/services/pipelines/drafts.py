"""Drafts of pipelines, and modules with versions. State and behaviour, no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakes.core.errors import bad_request, conflict, not_found
from fakes.services.pipelines.entities import Document, interface_of
from fakes.services.pipelines.models import Pipelines

_DRAFT_FIELDS = ("Name", "Description", "tags", "Properties", "PipelineSubmissionInfo", "GraphDraftId")
_GRAPH_FIELDS = ("ModuleNodes", "DatasetNodes", "Edges", "EntityInterface", "GraphLayout")


class Drafts:
    """Pipeline drafts of a workspace."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self._entities = pipelines.entities

    def create_graph(self, body: Mapping[str, Any]) -> Document:
        """Keep a graph that may still change."""
        return self._entities.add("GraphDrafts", {name: body.get(name) for name in _GRAPH_FIELDS})

    def update_graph(self, graph_id: str, body: Mapping[str, Any]) -> Document:
        """Replace a graph draft."""
        return self._entities.update("GraphDrafts", graph_id, {name: body.get(name) for name in _GRAPH_FIELDS})

    def create(self, body: Mapping[str, Any], **parents: str) -> Document:
        """Keep a draft. Raises ``AzureError`` 404: its graph draft."""
        self._entities.get("GraphDrafts", str(body.get("GraphDraftId")))
        fields = {name: body.get(name) for name in _DRAFT_FIELDS}
        fields["tags"] = fields["tags"] or {}
        fields["Properties"] = fields["Properties"] or {}
        return self._entities.add("PipelineDrafts", {**fields, **parents, "LastSubmittedPipelineRunId": None})

    def update(self, draft_id: str, body: Mapping[str, Any]) -> Document:
        """Save a draft."""
        return self._entities.update("PipelineDrafts", draft_id, {n: body[n] for n in _DRAFT_FIELDS if n in body})

    def delete(self, kind: str, entity_id: str) -> None:
        """Remove a draft. Raises ``AzureError`` 404."""
        self._entities.get(kind, entity_id)
        del self._entities.table(kind)[entity_id]

    def list(self, tags: Mapping[str, str]) -> list[Document]:
        """Drafts that have all these tags, newest first."""
        return [
            held
            for held in reversed(self._entities.table("PipelineDrafts").values())
            if all(held["tags"].get(name) == value for name, value in tags.items())
        ]

    def _graph(self, draft_id: str) -> tuple[Document, str]:
        """The draft, and a graph made of its graph draft."""
        draft = self._entities.get("PipelineDrafts", draft_id)
        graph = self._entities.get("GraphDrafts", draft["GraphDraftId"])
        return draft, self._pipelines.add_graph(graph, graph.get("EntityInterface"))

    def create_run(self, draft_id: str) -> Document:
        """A run of a draft, not submitted yet."""
        draft, graph_id = self._graph(draft_id)
        entity = self._pipelines.create_run(graph_id, draft.get("PipelineSubmissionInfo") or {})
        draft["LastSubmittedPipelineRunId"] = entity["Id"]
        return entity

    def publish(self, draft_id: str, url: Callable[[str], str]) -> Document:
        """Publish a draft."""
        draft, graph_id = self._graph(draft_id)
        submission = draft.get("PipelineSubmissionInfo") or {}
        info = {**submission, "Name": draft["Name"], "Description": draft["Description"]}
        return self._pipelines.publish_graph(graph_id, info, url)

    def clone_draft(self, draft_id: str) -> Document:
        """A copy of a draft."""
        draft = self._entities.get("PipelineDrafts", draft_id)
        graph = self.create_graph(self._entities.get("GraphDrafts", draft["GraphDraftId"]))
        return self.create({**draft, "GraphDraftId": graph["Id"]}, ParentPipelineDraftId=draft_id)

    def clone_run(self, run_id: str) -> Document:
        """A draft of what a run ran."""
        run = self._entities.get("PipelineRuns", run_id)
        body = self._copied(run, run["GraphId"], f"Clone of {run_id}")
        body["PipelineSubmissionInfo"]["ExperimentName"] = run["RunHistoryExperimentName"]
        return self.create(body, ParentPipelineRunId=run_id)

    def clone_published(self, pipeline_id: str) -> Document:
        """A draft of a published pipeline."""
        held = self._entities.get("Pipelines", pipeline_id)
        return self.create(self._copied(held, held["GraphId"], held["Name"]), ParentPipelineId=pipeline_id)

    def _copied(self, held: Mapping[str, Any], graph_id: str, name: str) -> Document:
        graph = self._entities.get("Graphs", graph_id)
        made = self.create_graph({**graph, "EntityInterface": self._pipelines.graph_interface(graph_id)})
        assignments = {
            key: held.get(key) or {}
            for key in ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments")
        }
        return {
            "Name": name,
            "Description": held.get("Description"),
            "GraphDraftId": made["Id"],
            "PipelineSubmissionInfo": {
                "Description": held.get("Description"),
                "ContinueRunOnStepFailure": held.get("ContinueRunOnStepFailure"),
                **assignments,
            },
        }


class NamedModules:
    """Modules with versions (``azureml.pipeline.core.Module``) of a workspace."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self._entities = pipelines.entities

    def create(self, body: Mapping[str, Any]) -> Document:
        """Make a module without versions. Raises ``AzureError`` 400, 409."""
        name = body.get("Name")
        if not name:
            raise bad_request("A module needs a Name.", code="BadRequest")
        if any(held["Name"] == name for held in self._entities.table("AzureMLModules").values()):
            raise conflict(f"A module with the name {name} already exists.")
        fields = {"Name": name, "Description": body.get("Description"), "Versions": [], "DefaultVersion": None}
        return self._entities.add("AzureMLModules", fields)

    def by_name(self, name: str) -> Document:
        """Find by name. Raises ``AzureError`` 404."""
        for held in self._entities.table("AzureMLModules").values():
            if held["Name"] == name:
                return held
        raise not_found(f"No module has the name {name}.", code="NotFound")

    def add_version(self, body: Mapping[str, Any]) -> Document:
        """Add a version. Raises ``AzureError`` 400, 404, 409."""
        module = self._entities.get("AzureMLModules", str(body.get("AmlModuleId")))
        number = str(body.get("Version") or len(module["Versions"]) + 1)
        if any(item["Version"] == number for item in module["Versions"]):
            raise conflict(f"The module {module['Name']} already has a version {number}.")
        own = ("AmlModuleId", "Version", "SetAsDefaultVersion")
        data = self._pipelines.create_module({key: value for key, value in body.items() if key not in own})
        # A version is found under its own id, not among the modules of steps.
        del self._entities.table("Modules")[data["Id"]]
        version = {
            "Id": data["Id"],
            "ModuleId": module["Id"],
            "Data": data,
            "Interface": interface_of(data.get("StructuredInterface")),
        }
        self._entities.table("AzureMLModuleVersions")[data["Id"]] = version
        module["Versions"].append({"ModuleVersionId": data["Id"], "Version": number})
        if body.get("SetAsDefaultVersion") or module["DefaultVersion"] is None:
            module["DefaultVersion"] = number
        return version

    def update_version(self, version_id: str, body: Mapping[str, Any]) -> Document:
        """Change description and status of a version. Raises ``AzureError`` 404."""
        held = self._entities.get("AzureMLModuleVersions", version_id)
        data = body.get("Data") or {}
        held["Data"].update({key: data[key] for key in ("Description", "EntityStatus") if key in data})
        return held
