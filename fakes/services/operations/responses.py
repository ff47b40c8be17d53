"""The state of an operation over HTTP."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.operations import CANCELED, FAILED, Operation
from fakes.core.routing import Call, json_response

_TYPES = {"service": "Service", "service-delete": "Service", "service-keys": "Service", "package": "PackageDockerImage"}


def get_operation(call: Call) -> Response:
    """One operation; the first poll is held until it ends."""
    with call.state.lock:
        workspace = call.workspace
    operation = call.state.operations.poll(call.params["id"])
    details = operation.details
    document: dict[str, Any] = {
        "id": operation.id,
        "operationType": details.get("operationType") or _TYPES.get(operation.kind, "Service"),
        "state": state_of(operation),
        "createdTime": operation.started,
        "endTime": operation.ended,
        "error": operation.error,
        "resourceLocation": details.get("resourceLocation") or f"{workspace.arm_id}/services/{operation.target}",
        "operationLog": details.get("operationLog"),
        "operationDetails": {
            "operationId": operation.id,
            "subOperationType": details.get("subOperationType"),
            "subOperationState": state_of(operation),
        },
        "requestId": call.request_id,
    }
    offset = call.number("offset", 0, 0, 10**9)
    document["streamingOperationLog"] = str(details.get("stream") or "")[offset:]
    return json_response(document)


def state_of(operation: Operation) -> str:
    """Return the state of an operation in the words of model management."""
    if operation.status == FAILED and operation.error and operation.error["code"] == "DeploymentTimedOut":
        return "TimedOut"
    return "Cancelled" if operation.status == CANCELED else operation.status
