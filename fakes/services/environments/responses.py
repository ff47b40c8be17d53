"""Answers of the environment service."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, json_response
from fakes.services.environments.models import EnvironmentsBackend, EnvironmentVersion

PAGE = 50


def _backend(call: Call) -> EnvironmentsBackend:
    return call.state.backend(EnvironmentsBackend)


def document(call: Call, environment: EnvironmentVersion) -> dict[str, Any]:
    """Return an environment as the service shows it."""
    return {
        "name": environment.name,
        "version": environment.version,
        "assetId": f"azureml://locations/{call.workspace.location}/workspaces/{call.workspace.workspace_id}"
        f"/environments/{environment.name}/versions/{environment.version}",
        **environment.sections,
    }


def register(call: Call) -> Response:
    """Register a definition."""
    version = call.params.get("version")
    made = _backend(call).register(call.workspace, call.params["name"], call.json_object(), version)
    return json_response(document(call, made))


def get_environment(call: Call) -> Response:
    """Answer with one version, the latest when none is named."""
    found = _backend(call).get(call.workspace, call.params["name"], call.params.get("version"))
    return json_response(document(call, found))


def get_by_label(call: Call) -> Response:
    """Answer with the version that a label names."""
    return json_response(
        document(call, _backend(call).labelled(call.workspace, call.params["name"], call.params["label"]))
    )


def set_labels(call: Call) -> Response:
    """Give labels to a version."""
    body = {key.casefold(): value for key, value in call.json_object().items()}
    labels = body.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        raise bad_request("'Labels' must be a list of names.", "UserError")
    _backend(call).set_labels(call.workspace, call.params["name"], call.params["version"], labels)
    return json_response({"labels": labels})


def list_environments(call: Call) -> Response:
    """Answer with a page of the latest versions of every name."""
    return _page(call, _backend(call).latest(call.workspace), lambda environment: environment.name)


def list_versions(call: Call) -> Response:
    """Answer with the versions of one name, newest first."""
    found = _backend(call).versions(call.workspace, call.params["name"])
    return json_response({"value": [document(call, v) for v in reversed(found)], "continuationToken": None})


def _page(call: Call, found: list[EnvironmentVersion], key: Any) -> Response:
    after = call.arg("continuation") or call.arg("continuationToken")
    rest = [environment for environment in found if key(environment) > after] if after else found
    page = rest[:PAGE]
    token = key(page[-1]) if len(rest) > PAGE else None
    return json_response({"value": [document(call, e) for e in page], "continuationToken": token})
