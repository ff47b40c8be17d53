"""Pipeline runs over HTTP: submit, look, read outputs and logs, cancel."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.errors import not_found
from fakes.core.routing import Call, empty_response, json_response
from fakes.executor import storage
from fakes.executor.jobs import Jobs
from fakes.executor.step import LOGS
from fakes.services.history.backend import HistoryBackend
from fakes.services.pipelines import graphs, runs
from fakes.services.pipelines.models import NODE_CODES
from fakes.services.pipelines.responses import pipelines

Document = dict[str, Any]


def create_run(call: Call) -> Response:
    """A run of a graph that is sent along; it is submitted by another request."""
    body = call.json_object()
    service = pipelines(call)
    graph_id = service.add_graph(body.get("Graph"), body.get("GraphInterface"))
    info = {**(body.get("CreationInfo") or {}), "ExperimentName": call.arg("experimentName")}
    return json_response(service.create_run(graph_id, info))


def submit_run(call: Call) -> Response:
    """Start a run that was created."""
    runs.submit(call.state, call.workspace, call.params["id"], host=call.host, parent=call.arg("parentRunId"))
    return empty_response(200)


def submit_pipeline(call: Call) -> Response:
    """Run a published pipeline: what its REST endpoint does."""
    entity = runs.submit_published(
        call.state,
        call.workspace,
        call.params["id"],
        call.json_object(),
        host=call.host,
        parent=call.arg("parentRunId"),
    )
    return json_response(entity)


def submit_endpoint(call: Call) -> Response:
    """Run a version of an endpoint, the default one without."""
    pipeline_id = pipelines(call).endpoint_pipeline(
        call.params["id"], call.params.get("version") or call.arg("pipelineVersion")
    )
    entity = runs.submit_published(
        call.state, call.workspace, pipeline_id, call.json_object(), host=call.host, parent=call.arg("parentRunId")
    )
    return json_response(entity)


def get_run(call: Call) -> Response:
    """A run."""
    call.state.backend(Jobs).polled(call.params["id"])
    return json_response(pipelines(call).entities.get("PipelineRuns", call.params["id"]))


def list_runs_of_pipeline(call: Call) -> Response:
    """Runs of a published pipeline, newest first."""
    service = pipelines(call)
    service.entities.get("Pipelines", call.params["id"])
    found = service.entities.table("PipelineRuns").values()
    return json_response([run for run in reversed(found) if run["PipelineId"] == call.params["id"]])


def cancel_run(call: Call) -> Response:
    """Ask a run to stop."""
    runs.cancel(call.state, call.workspace, call.params["id"])
    return empty_response(200)


def get_node_code(call: Call) -> Response:
    """The number of a step's status."""
    return json_response(NODE_CODES[pipelines(call).node(call.params["id"], call.json())["status"]])


def get_node_status(call: Call) -> Response:
    """A step's status with its times."""
    service = pipelines(call)
    return json_response(service.task_status(service.node(call.params["id"], call.json())))


def get_all_codes(call: Call) -> Response:
    """Numbers of all steps' status by node."""
    nodes = pipelines(call).nodes(call.params["id"])
    return json_response({name: NODE_CODES[node["status"]] for name, node in nodes.items()})


def get_all_status(call: Call) -> Response:
    """All steps' status by node."""
    service = pipelines(call)
    nodes = service.nodes(call.params["id"])
    return json_response({name: service.task_status(node) for name, node in nodes.items()})


def get_node_outputs(call: Call) -> Response:
    """Where the outputs of a step are, by port."""
    node = pipelines(call).node(call.params["id"], call.json())
    return json_response({name: _shown(output) for name, output in node["outputs"].items()})


def get_pipeline_output(call: Call) -> Response:
    """Where an output of the whole pipeline is."""
    service = pipelines(call)
    entity = service.entities.get("PipelineRuns", call.params["id"])
    named = graphs.pipeline_outputs(service.entities.get("Graphs", entity["GraphId"]))
    source = named.get(call.params["name"])
    if source is None:
        raise not_found(f"The pipeline has no output {call.params['name']}.", code="NotFound")
    output = service.nodes(call.params["id"])[source.node_id]["outputs"].get(source.port)
    if output is None:
        raise not_found(f"The output {call.params['name']} is not there yet.", code="NotFound")
    return json_response(_shown(output))


def _shown(output: Document) -> Document:
    return {
        "DataTypeId": output.get("type"),
        "LogicalSizeInBytes": None,
        "DataLocation": {
            "StorageType": "AmlDataStore",
            "DataReference": {
                "Type": "1",
                "AzureBlobReference": {"AmlDataStoreName": output["datastore"], "RelativePath": output["path"]},
            },
        },
    }


def get_log(call: Call) -> Response:
    """What a step wrote: standard output and error are one log."""
    node = pipelines(call).node(call.params["id"], call.json())
    run_id = (node.get("reuse") or {}).get("RunId") or node["runId"]
    text = b""
    if run_id:
        run = call.state.backend(HistoryBackend).of(call.workspace).run(run_id)
        text = storage.read_artifact(call.state, call.workspace, run["dataContainerId"], LOGS[0]) or b""
    return Response(text, 200, content_type="text/plain; charset=utf-8")


def get_error_log(call: Call) -> Response:
    """Nothing: standard error is part of the one log."""
    pipelines(call).node(call.params["id"], call.json())
    return Response(b"", 200, content_type="text/plain; charset=utf-8")
