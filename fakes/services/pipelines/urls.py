"""Routes of the pipeline service."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug import Response

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Call, Route, Service

d = Handlers("fakes.services.pipelines.draft_responses")
r = Handlers("fakes.services.pipelines.responses")
runs = Handlers("fakes.services.pipelines.run_responses")
s = Handlers("fakes.services.pipelines.schedule_responses")

BASE = "/pipelines/v1.0{workspace}"
RUN = f"{BASE}/PipelineRuns/{{id}}"
SDK = "azureml-pipeline-core 1.62, azureml.pipeline.core._restclients.aeva"


def _route(
    method: str,
    path: str,
    operation: str,
    handler: Callable[[Call], Response],
    evidence: Evidence = Evidence.SDK_ACCEPTS,
) -> Route:
    return Route(method, path if path.startswith(BASE) else BASE + path, operation, handler, evidence, SDK)


SERVICE = Service(
    name="pipelines",
    title="Pipelines",
    family=hosts.API,
    style=Style.PIPELINES,
    routes=[
        _route("GET", "/DataTypes", "DataTypes_List", r.list_data_types),
        _route("POST", "/DataTypes", "DataTypes_Create", r.create_data_type, Evidence.ASSUMED),
        _route("POST", "/Modules", "Modules_Create", r.create_module),
        _route("GET", "/Modules/{id}", "Modules_Get", r.get_module),
        _route("GET", "/Modules/Hash/{hash}", "Modules_GetByHash", r.get_module_by_hash),
        _route("POST", "/DataSources", "DataSources_Create", r.create_data_source),
        _route("GET", "/DataSources/{id}", "DataSources_Get", r.get_data_source),
        _route("GET", "/DataSources/Hash/{hash}", "DataSources_GetByHash", r.get_data_source_by_hash),
        _route("GET", "/Graphs/{id}", "Graphs_Get", r.get_graph),
        _route("GET", "/Graphs/{id}/Interface", "Graphs_GetInterface", r.get_graph_interface),
        _route("GET", "/Pipelines", "Pipelines_List", r.list_pipelines),
        _route("POST", "/Pipelines/Create", "Pipelines_Create", r.create_pipeline),
        _route("GET", "/Pipelines/{id}", "Pipelines_Get", r.get_pipeline),
        _route("PUT", "/Pipelines/{id}/status", "Pipelines_SetStatus", r.set_pipeline_status),
        _route("GET", "/PipelineEndpoints", "PipelineEndpoints_List", r.list_endpoints),
        _route("POST", "/PipelineEndpoints/Create", "PipelineEndpoints_Create", r.create_endpoint),
        _route("GET", "/PipelineEndpoints/Name", "PipelineEndpoints_GetByName", r.get_endpoint_by_name),
        _route("GET", "/PipelineEndpoints/Id/{id}", "PipelineEndpoints_Get", r.get_endpoint),
        _route("PUT", "/PipelineEndpoints/{id}", "PipelineEndpoints_Update", r.update_endpoint),
        _route("GET", "/PipelineEndpoints/{id}/pipelines", "PipelineEndpoints_Pipelines", r.list_endpoint_pipelines),
        _route("POST", "/PipelineRuns/Unsubmitted/CreationInfoWithGraph", "PipelineRuns_Create", runs.create_run),
        _route("POST", "/PipelineRuns/Submit/{id}", "PipelineRuns_Submit", runs.submit_run),
        _route("POST", "/PipelineRuns/PipelineSubmit/{id}", "PipelineRuns_SubmitPipeline", runs.submit_pipeline),
        _route(
            "POST", "/PipelineRuns/PipelineEndpointSubmit/Id/{id}", "PipelineRuns_SubmitEndpoint", runs.submit_endpoint
        ),
        _route(
            "POST",
            "/PipelineRuns/PipelineEndpointSubmit/Id/{id}/{version}",
            "PipelineRuns_SubmitEndpointVersion",
            runs.submit_endpoint,
        ),
        _route("GET", "/PipelineRuns/Pipeline/{id}", "PipelineRuns_ListByPipeline", runs.list_runs_of_pipeline),
        _route("GET", RUN, "PipelineRuns_Get", runs.get_run),
        _route("DELETE", f"{RUN}/Execution", "PipelineRuns_Cancel", runs.cancel_run),
        _route("POST", f"{RUN}/Graph/Node/StatusCode", "PipelineRuns_NodeStatusCode", runs.get_node_code),
        _route("POST", f"{RUN}/Graph/Node/Status", "PipelineRuns_NodeStatus", runs.get_node_status),
        _route(
            "POST",
            f"{RUN}/Graph/AllNodes/StatusCode",
            "PipelineRuns_AllStatusCodes",
            runs.get_all_codes,
            Evidence.ASSUMED,
        ),
        _route("POST", f"{RUN}/Graph/AllNodes/Status", "PipelineRuns_AllStatus", runs.get_all_status),
        _route("POST", f"{RUN}/Graph/Shareable/STDOUT", "PipelineRuns_Stdout", runs.get_log),
        _route("POST", f"{RUN}/Graph/Shareable/STDERR", "PipelineRuns_Stderr", runs.get_error_log),
        _route("POST", f"{RUN}/Graph/Shareable/JobLog", "PipelineRuns_JobLog", runs.get_log),
        _route("POST", f"{RUN}/Outputs", "PipelineRuns_NodeOutputs", runs.get_node_outputs),
        _route("GET", f"{RUN}/PipelineRunOutputs/{{name}}", "PipelineRuns_Output", runs.get_pipeline_output),
        _route("GET", "/PipelineRuns/Schedule/{id}", "PipelineRuns_ListBySchedule", s.runs_of),
        _route("GET", "/PipelineRuns/Schedule/{id}/Last", "PipelineRuns_LastBySchedule", s.last_run),
        _route("GET", "/Schedules", "Schedules_List", s.list_all),
        _route("POST", "/Schedules/Create", "Schedules_Create", s.create),
        _route("GET", "/Schedules/{id}", "Schedules_Get", s.get),
        _route("PUT", "/Schedules/{id}", "Schedules_Update", s.update),
        _route("GET", "/Schedules/Pipeline/{id}", "Schedules_ListByPipeline", s.of_pipeline),
        _route("GET", "/Schedules/PipelineEndpoint/{id}", "Schedules_ListByEndpoint", s.of_endpoint),
        _route("POST", "/GraphDrafts", "GraphDrafts_Create", d.create_graph),
        _route("GET", "/GraphDrafts/{id}", "GraphDrafts_Get", d.get_graph),
        _route("PUT", "/GraphDrafts/{id}", "GraphDrafts_Update", d.update_graph),
        _route("DELETE", "/GraphDrafts/{id}", "GraphDrafts_Delete", d.delete_graph),
        _route("POST", "/PipelineDrafts", "PipelineDrafts_List", d.list_drafts),
        _route("POST", "/PipelineDrafts/Create", "PipelineDrafts_Create", d.create),
        _route("GET", "/PipelineDrafts/{id}", "PipelineDrafts_Get", d.get),
        _route("PUT", "/PipelineDrafts/{id}", "PipelineDrafts_Update", d.update),
        _route("DELETE", "/PipelineDrafts/{id}", "PipelineDrafts_Delete", d.delete),
        _route("GET", "/PipelineDrafts/Clone/{id}", "PipelineDrafts_Clone", d.clone_draft),
        _route("GET", "/PipelineDrafts/ClonePipelineRun/{id}", "PipelineDrafts_CloneRun", d.clone_run),
        _route("GET", "/PipelineDrafts/ClonePublished/{id}", "PipelineDrafts_ClonePublished", d.clone_published),
        _route("POST", "/PipelineRuns/PipelineDraftSubmit", "PipelineRuns_SubmitDraft", d.submit),
        _route("POST", "/Pipelines/PipelineDraftCreate", "Pipelines_CreateFromDraft", d.publish),
        _route("POST", "/AzureMLModules", "AzureMLModules_Create", d.create_module),
        _route("GET", "/AzureMLModules/Name", "AzureMLModules_GetByName", d.get_module_by_name),
        _route("GET", "/AzureMLModules/{id}", "AzureMLModules_Get", d.get_module),
        _route("PUT", "/AzureMLModules/{id}", "AzureMLModules_Update", d.update_module),
        _route("POST", "/AzureMLModuleVersions", "AzureMLModuleVersions_Create", d.create_version),
        _route("GET", "/AzureMLModuleVersions/{id}", "AzureMLModuleVersions_Get", d.get_version),
        _route("PUT", "/AzureMLModuleVersions/{id}", "AzureMLModuleVersions_Update", d.update_version),
    ],
)
