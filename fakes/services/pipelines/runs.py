"""Submitting pipelines and cancelling them: the meeting of pipeline service, run history and executor. No HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakes.core.errors import bad_request
from fakes.executor.jobs import Jobs
from fakes.executor.parallel import is_parallel
from fakes.executor.pipeline import start_pipeline_run
from fakes.services.compute.models import Computes
from fakes.services.execution.models import cancel_address, check_shape
from fakes.services.history.backend import HistoryBackend
from fakes.services.pipelines.backend import PipelinesBackend
from fakes.services.pipelines.entities import is_active
from fakes.services.pipelines.graphs import parameters
from fakes.services.pipelines.models import FINAL_RUN

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

Document = dict[str, Any]


def submit(state: State, workspace: Workspace, run_id: str, *, host: str, parent: str | None = None) -> Document:
    """Start a run that was created. Under the state lock. Raises ``AzureError`` 400, 404."""
    pipelines = state.backend(PipelinesBackend).of(workspace)
    entity = pipelines.entities.get("PipelineRuns", run_id)
    if entity["IsSubmitted"]:
        raise bad_request(f"Pipeline run {run_id} was submitted already.", code="BadRequest")
    _check_nodes(state, workspace, pipelines.entities.get("Graphs", entity["GraphId"]), entity)
    history = state.backend(HistoryBackend).of(workspace)
    experiment = history.create_experiment(entity["RunHistoryExperimentName"], exist_ok=True)
    # What the run of a schedule carries, as the event of one shows it:
    # https://medium.com/geekculture/notifications-on-azure-machine-learning-pipelines-with-logic-apps-5d5df11d3126
    scheduled = (
        {"runType": "Schedule", "azureml.parameters": json.dumps(entity["ParameterAssignments"])}
        if entity.get("ScheduleId")
        else {}
    )
    run = history.put_run(
        experiment,
        run_id,
        {
            "parentRunId": parent,
            "status": "NotStarted",
            "runType": "azureml.PipelineRun",
            "runTypeV2": {"orchestrator": "Aether", "traits": []},
            "description": entity.get("Description"),
            "tags": {**entity["tags"], **({"azureml.pipelineid": entity["PipelineId"]} if scheduled else {})},
            "properties": {
                "azureml.runsource": "azureml.PipelineRun",
                "runSource": entity.get("RunSource"),
                "runType": "HTTP" if entity.get("PipelineId") else "SDK",
                "azureml.pipelineid": entity.get("PipelineId"),
                "azureml.pipelineComponent": "pipelinerun",
                **scheduled,
                **{name: value for name, value in (entity.get("Properties") or {}).items() if value is not None},
            },
        },
    )
    run["cancelUri"] = cancel_address(workspace, host, experiment["name"], run_id)
    entity["IsSubmitted"] = True
    start_pipeline_run(state, workspace, run_id)
    return entity


def submit_published(
    state: State,
    workspace: Workspace,
    pipeline_id: str,
    info: Mapping[str, Any],
    *,
    host: str,
    parent: str | None = None,
) -> Document:
    """Run a published pipeline. Under the state lock. Raises ``AzureError`` 400, 404."""
    pipelines = state.backend(PipelinesBackend).of(workspace)
    pipeline = pipelines.entities.get("Pipelines", pipeline_id)
    if not is_active(pipeline):
        raise bad_request(f"The pipeline {pipeline['Name']} ({pipeline_id}) is disabled.", code="BadRequest")
    entity = pipelines.create_run(pipeline["GraphId"], info, pipeline=pipeline)
    return submit(state, workspace, entity["Id"], host=host, parent=parent)


def cancel(state: State, workspace: Workspace, run_id: str) -> None:
    """Ask a pipeline run to stop. One that has ended stays as it is. Under the state lock."""
    pipelines = state.backend(PipelinesBackend).of(workspace)
    if pipelines.run_status(run_id) in FINAL_RUN:
        return
    history = state.backend(HistoryBackend).of(workspace)
    if state.backend(Jobs).cancel(run_id):
        history.set_status(run_id, "CancelRequested")
    else:
        pipelines.set_run_status(run_id, "Canceled")
        history.set_status(run_id, "Canceled")


def _check_nodes(state: State, workspace: Workspace, graph: Mapping[str, Any], entity: Mapping[str, Any]) -> None:
    """Refuse a graph with a step that could not run as Azure would run it. Raises ``AzureError`` 404, 501."""
    service = state.backend(PipelinesBackend).of(workspace)
    for node in graph["ModuleNodes"]:
        module = service.module(node["ModuleId"])["Data"]
        values = parameters(node, module, entity["ParameterAssignments"])
        if values.get("Target"):
            state.backend(Computes).get(workspace, str(values["Target"]))
        configuration = json.loads(node.get("Runconfig") or "{}") or {}
        own = {"framework": "Framework", "communicator": "Communicator", "nodeCount": "NodeCount"}
        shape = {key: values.get(name) or configuration.get(key) for key, name in own.items()}
        if is_parallel(module):
            # Its driver does the mini-batches of all nodes in turn.
            shape["nodeCount"] = 1
        check_shape(shape)
