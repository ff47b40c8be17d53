"""Datastores over HTTP."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.datastores.models import DatastoresBackend


def _shown(item: dict[str, Any], *, secrets: bool = True) -> dict[str, Any]:
    section = item["azureStorageSection"]
    if secrets or not section:
        return item
    return {**item, "azureStorageSection": {**section, "credential": None, "accountKey": None, "sasToken": None}}


def list_datastores(call: Call) -> Response:
    """All datastores of a workspace, a page at a time."""
    items = call.state.backend(DatastoresBackend).list(call.workspace)
    count = call.number("count", 30, 1, 1000)
    token = call.arg("continuationToken") or "0"
    if not token.isdigit():
        raise bad_request(f"The continuation token {token!r} was not issued by this service.")
    start = int(token)
    following = start + count
    secrets = call.flag("includeSecret", True)
    return json_response(
        {
            "value": [_shown(item, secrets=secrets) for item in items[start:following]],
            "continuationToken": str(following) if following < len(items) else None,
            "nextLink": None,
        }
    )


def get_datastore(call: Call) -> Response:
    """Find by name."""
    return json_response(call.state.backend(DatastoresBackend).get(call.workspace, call.params["name"]))


def create_datastore(call: Call) -> Response:
    """Register a new one."""
    _register(call, call.json_object())
    return empty_response(200)


def update_datastore(call: Call) -> Response:
    """Overwrite one."""
    body = {**call.json_object(), "name": call.params["name"]}
    _register(call, body, overwrite=True)
    return empty_response(200)


def _register(call: Call, body: dict[str, Any], *, overwrite: bool = False) -> None:
    call.state.backend(DatastoresBackend).register(
        call.workspace,
        body,
        overwrite=overwrite,
        create=call.flag("createIfNotExists"),
        validate=call.strict and not call.flag("skipValidation"),
    )


def delete_datastore(call: Call) -> Response:
    """Forget one; its data stays."""
    found = call.state.backend(DatastoresBackend).delete(call.workspace, call.params["name"])
    return empty_response(200 if found else 204)


def get_default(call: Call) -> Response:
    """The default one."""
    return json_response(call.state.backend(DatastoresBackend).default(call.workspace))


def set_default(call: Call) -> Response:
    """Choose the default one."""
    call.state.backend(DatastoresBackend).set_default(call.workspace, call.params["name"])
    return empty_response(200)
