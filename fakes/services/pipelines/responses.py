"""The pipeline service over HTTP: modules, data, graphs, published pipelines, endpoints."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.pipelines.backend import PipelinesBackend
from fakes.services.pipelines.models import Pipelines


def pipelines(call: Call) -> Pipelines:
    """The pipeline service of the workspace in the path."""
    return call.state.backend(PipelinesBackend).of(call.workspace)


def base(call: Call) -> str:
    """Address of the pipeline service of the workspace."""
    return f"{call.workspace.api_url}/pipelines/v1.0{call.workspace.arm_id}"


def pipeline_url(call: Call) -> Callable[[str], str]:
    """Makes the address that submits a published pipeline."""
    return lambda entity_id: f"{base(call)}/PipelineRuns/PipelineSubmit/{entity_id}"


def endpoint_url(call: Call) -> Callable[[str], str]:
    """Makes the address that submits through an endpoint."""
    return lambda entity_id: f"{base(call)}/PipelineRuns/PipelineEndpointSubmit/Id/{entity_id}"


def list_data_types(call: Call) -> Response:
    """All data types."""
    return json_response(pipelines(call).entities.data_types())


def create_data_type(call: Call) -> Response:
    """A data type of the client's own."""
    body = call.json_object()
    if not body.get("Id"):
        raise bad_request("A data type needs an Id.", code="BadRequest")
    fields = {name: body.get(name) for name in ("Name", "Description", "IsDirectory", "ParentDataTypeIds")}
    return json_response(pipelines(call).entities.add("DataTypes", fields, body["Id"]))


def create_module(call: Call) -> Response:
    """The code and interface of a step."""
    return json_response(pipelines(call).create_module(call.json_object()))


def get_module(call: Call) -> Response:
    """A module with its interface."""
    return json_response(pipelines(call).module(call.params["id"]))


def get_module_by_hash(call: Call) -> Response:
    """A module by its fingerprint."""
    return json_response(pipelines(call).module_by_hash(call.params["hash"]))


def create_data_source(call: Call) -> Response:
    """A path on a datastore."""
    return json_response(pipelines(call).create_data_source(call.json_object()))


def get_data_source(call: Call) -> Response:
    """A data source by its id."""
    return json_response(pipelines(call).entities.get("DataSources", call.params["id"]))


def get_data_source_by_hash(call: Call) -> Response:
    """A data source by its fingerprint."""
    return json_response(pipelines(call).data_source_by_hash(call.params["hash"]))


def get_graph(call: Call) -> Response:
    """A graph."""
    return json_response(pipelines(call).entities.get("Graphs", call.params["id"]))


def get_graph_interface(call: Call) -> Response:
    """Parameters of a graph."""
    return json_response(pipelines(call).graph_interface(call.params["id"]))


def create_pipeline(call: Call) -> Response:
    """Publish."""
    return json_response(pipelines(call).create_pipeline(call.json_object(), pipeline_url(call)))


def get_pipeline(call: Call) -> Response:
    """One published pipeline."""
    return json_response(pipelines(call).entities.get("Pipelines", call.params["id"]))


def list_pipelines(call: Call) -> Response:
    """All published pipelines."""
    return json_response(pipelines(call).entities.listed("Pipelines", active_only=call.flag("activeOnly", True)))


def set_pipeline_status(call: Call) -> Response:
    """Active, Deprecated, Disabled."""
    pipelines(call).set_status("Pipelines", call.params["id"], call.json())
    return empty_response(200)


def create_endpoint(call: Call) -> Response:
    """A name for versions of published pipelines."""
    return json_response(pipelines(call).create_endpoint(call.json_object(), endpoint_url(call)))


def get_endpoint(call: Call) -> Response:
    """An endpoint by its id."""
    return json_response(pipelines(call).entities.get("PipelineEndpoints", call.params["id"]))


def get_endpoint_by_name(call: Call) -> Response:
    """An endpoint by its name."""
    return json_response(pipelines(call).endpoint_by_name(call.arg("name") or ""))


def update_endpoint(call: Call) -> Response:
    """Versions, default, name, description, status."""
    return json_response(pipelines(call).update_endpoint(call.params["id"], call.json_object()))


def list_endpoints(call: Call) -> Response:
    """All endpoints."""
    return json_response(
        pipelines(call).entities.listed("PipelineEndpoints", active_only=call.flag("activeOnly", True))
    )


def list_endpoint_pipelines(call: Call) -> Response:
    """The pipelines behind the versions of an endpoint."""
    service = pipelines(call)
    held = service.entities.get("PipelineEndpoints", call.params["id"])
    return json_response(
        [service.entities.get("Pipelines", version["PipelineId"]) for version in held["PipelineVersionList"]]
    )
