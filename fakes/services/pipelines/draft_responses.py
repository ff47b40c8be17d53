"""Drafts of pipelines and modules with versions over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.routing import Call, empty_response, json_response
from fakes.services.pipelines import runs
from fakes.services.pipelines.drafts import Drafts, NamedModules
from fakes.services.pipelines.responses import pipeline_url, pipelines


def _drafts(call: Call) -> Drafts:
    return Drafts(pipelines(call))


def _modules(call: Call) -> NamedModules:
    return NamedModules(pipelines(call))


def create_graph(call: Call) -> Response:
    """A graph that may still change."""
    return json_response(_drafts(call).create_graph(call.json_object()))


def get_graph(call: Call) -> Response:
    """A graph draft."""
    return json_response(pipelines(call).entities.get("GraphDrafts", call.params["id"]))


def update_graph(call: Call) -> Response:
    """Replace a graph draft."""
    return json_response(_drafts(call).update_graph(call.params["id"], call.json_object()))


def delete_graph(call: Call) -> Response:
    """Remove a graph draft."""
    _drafts(call).delete("GraphDrafts", call.params["id"])
    return empty_response(200)


def create(call: Call) -> Response:
    """A draft."""
    return json_response(_drafts(call).create(call.json_object()))


def get(call: Call) -> Response:
    """A draft by its id."""
    return json_response(pipelines(call).entities.get("PipelineDrafts", call.params["id"]))


def update(call: Call) -> Response:
    """Save a draft."""
    return json_response(_drafts(call).update(call.params["id"], call.json_object()))


def delete(call: Call) -> Response:
    """Remove a draft."""
    _drafts(call).delete("PipelineDrafts", call.params["id"])
    return empty_response(200)


def list_drafts(call: Call) -> Response:
    """Drafts with all the tags in the body."""
    return json_response(_drafts(call).list(call.json() or {}))


def clone_draft(call: Call) -> Response:
    """A copy of a draft."""
    return json_response(_drafts(call).clone_draft(call.params["id"]))


def clone_run(call: Call) -> Response:
    """A draft of what a run ran."""
    return json_response(_drafts(call).clone_run(call.params["id"]))


def clone_published(call: Call) -> Response:
    """A draft of a published pipeline."""
    return json_response(_drafts(call).clone_published(call.params["id"]))


def submit(call: Call) -> Response:
    """Run a draft."""
    entity = _drafts(call).create_run(str(call.json_object().get("Id")))
    runs.submit(call.state, call.workspace, entity["Id"], host=call.host, parent=call.arg("parentRunId"))
    return json_response(entity)


def publish(call: Call) -> Response:
    """Publish a draft."""
    return json_response(_drafts(call).publish(str(call.json_object().get("Id")), pipeline_url(call)))


def create_module(call: Call) -> Response:
    """A module without versions."""
    return json_response(_modules(call).create(call.json_object()))


def get_module(call: Call) -> Response:
    """A module by its id."""
    return json_response(pipelines(call).entities.get("AzureMLModules", call.params["id"]))


def get_module_by_name(call: Call) -> Response:
    """A module by its name."""
    return json_response(_modules(call).by_name(call.arg("name") or ""))


def update_module(call: Call) -> Response:
    """Name, description, status, default version."""
    return json_response(pipelines(call).entities.update("AzureMLModules", call.params["id"], call.json_object()))


def create_version(call: Call) -> Response:
    """A version of a module."""
    return json_response(_modules(call).add_version(call.json_object()))


def get_version(call: Call) -> Response:
    """A version by its id."""
    return json_response(pipelines(call).entities.get("AzureMLModuleVersions", call.params["id"]))


def update_version(call: Call) -> Response:
    """Description and status of a version."""
    return json_response(_modules(call).update_version(call.params["id"], call.json_object()))
