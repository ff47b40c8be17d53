"""Web services over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from werkzeug import Response

from fakes.core.errors import AzureError, bad_request
from fakes.core.operations import Operation
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.webservices import tokens
from fakes.services.webservices.models import Webservices
from fakes.services.webservices.runtime import INIT_LOG, LOG
from fakes.services.webservices.wire import matches, service_document

PAGE = 100
# How long the log waits for the container to have written what it was doing.
FILTERS = ("computeType", "modelName", "modelId", "imageName", "imageId", "imageDigest", "tags", "properties")


def list_services(call: Call) -> Response:
    """The services of a workspace that match the filters, a page at a time."""
    query = {name: call.arg(name) for name in FILTERS}
    found = [s for s in _backend(call).all(call.workspace) if matches(s, query)]
    size = call.number("count", PAGE, 1, 1000)
    start = call.number("$skipToken", 0, 0, 10**9)
    document: dict[str, Any] = {
        "value": [service_document(call.state, call.workspace, s) for s in found[start : start + size]]
    }
    if start + size < len(found):
        # The SDK follows nextLink until the member is absent; null would make it loop.
        kept = "&".join(f"{k}={quote(v, safe='')}" for k, v in query.items() if v)
        base = f"{call.request.scheme}://{call.request.host}{call.request.path}"
        document["nextLink"] = f"{base}?{kept}&count={size}&$skipToken={start + size}"
    return json_response(document)


def get_service(call: Call) -> Response:
    """One service."""
    return _document(call, call.params["name"])


def _document(call: Call, name: str, status: int = 200, operation: Operation | None = None) -> Response:
    service = _backend(call).get(call.workspace, name)
    headers = _location(call, operation) if operation else None
    return json_response(service_document(call.state, call.workspace, service), status, headers)


def create_service(call: Call) -> Response:
    """Create a service, or deploy it again."""
    created_by = call.principal.created_by() if call.principal else {}
    service, operation = _backend(call).create(call.workspace, call.json_object(), created_by)
    return _document(call, service.name, 202, operation)


def update_service(call: Call) -> Response:
    """Apply a JSON Patch to a service."""
    service, operation = _backend(call).update(call.workspace, call.params["name"], call.json())
    return _document(call, service.name, 202 if operation else 200, operation)


def delete_service(call: Call) -> Response:
    """Delete a service; 204 when there is none."""
    try:
        operation = _backend(call).delete(call.workspace, call.params["name"])
    except AzureError as error:
        if error.status == 404:
            return empty_response(204)
        raise
    return empty_response(202, _location(call, operation))


def validate_name(call: Call) -> Response:
    """Whether a new service may have this name."""
    return _verdict(lambda: _backend(call).check_name(call.workspace, call.params["name"]))


def validate(call: Call) -> Response:
    """Whether a request to create, update or delete would be taken."""
    document, backend = call.json_object(), _backend(call)
    name, action = str(document.get("serviceName")), document.get("type")
    if action == "Create":
        create = document.get("createRequest")
        return _verdict(lambda: backend.check_create(call.workspace, create if isinstance(create, dict) else {}))
    if action == "Update":
        return _verdict(lambda: backend.check_update(call.workspace, name, document.get("updateRequest")))
    if action == "Delete":
        # Deleting what is not there is no error: the SDK reports it as "not found" from the 204.
        return json_response({})
    raise bad_request(f"type must be Create, Update or Delete, not {action!r}.")


def validate_resource(call: Call) -> Response:
    """Whether the cluster or region has room for a service."""
    return _verdict(lambda: _backend(call).check_create(call.workspace, call.json_object()))


def _verdict(check: Callable[[], None]) -> Response:
    """Errors of a validation are told in the body of a 200: any other status is ignored by the SDK."""
    try:
        check()
    except AzureError as error:
        message = error.message
        if error.details:
            message = "; ".join(str(detail["message"]) for detail in error.details)
        return json_response({"error": {"code": error.code, "statusCode": error.status, "message": message}})
    return json_response({})


def list_keys(call: Call) -> Response:
    """Both keys of a service."""
    primary, secondary = _backend(call).keys(call.workspace, call.params["name"])
    return json_response({"primaryKey": primary, "secondaryKey": secondary})


def regenerate_keys(call: Call) -> Response:
    """Make or set one key."""
    document = call.json_object()
    operation = _backend(call).regenerate(
        call.workspace, call.params["name"], document.get("keyType"), document.get("keyValue")
    )
    return empty_response(202, _location(call, operation))


def get_token(call: Call) -> Response:
    """A token for a service on AKS."""
    service = _backend(call).get(call.workspace, call.params["name"])
    return json_response(tokens.issue(call.state, service))


def get_logs(call: Call) -> Response:
    """What the containers of a service wrote. Runs without the state lock: it reads files."""
    backend = _backend(call)
    lines = call.number("tail", 5000, 0, 10**6)
    name = INIT_LOG if call.flag("init") else LOG
    with call.state.lock:
        service = backend.get(call.workspace, call.params["name"])
        units = [(u.name, u.wanted or u.serving) for u in service.units.values()]
    parts = []
    for unit, deployment in units:
        running = backend.runtime.get(deployment.id) if deployment else None
        text = running.log(name, lines) if running else ""
        parts.append(f"==== version {unit} ====\n{text}" if len(units) > 1 else text)
    return json_response({"content": "".join(parts)})


def _backend(call: Call) -> Webservices:
    return call.state.backend(Webservices)


def _location(call: Call, operation: Operation) -> dict[str, str]:
    base = f"{call.workspace.api_url}/modelmanagement/v1.0{call.workspace.arm_id}/operations/{operation.id}"
    return {"Operation-Location": base}
