"""Compute targets over HTTP."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.operations import CANCELED, FAILED, RUNNING, Operation
from fakes.core.routing import Call, empty_response, json_response
from fakes.core.tenancy import Workspace
from fakes.services.compute.models import AML, MAX_CLUSTERS, Compute, Computes
from fakes.services.compute.sizes import FAMILIES, SIZES
from fakes.services.compute.urls import API_VERSION


def list_targets(call: Call) -> Response:
    """Every target of a workspace, on one page."""
    return json_response({"value": [wire(call.workspace, c) for c in _backend(call).list(call.workspace)]})


def get_target(call: Call) -> Response:
    """One target."""
    return json_response(wire(call.workspace, _backend(call).get(call.workspace, call.params["name"])))


def put_target(call: Call) -> Response:
    """Create or replace a target."""
    target, operation, new = _backend(call).put(call.workspace, call.params["name"], call.json_object())
    return json_response(wire(call.workspace, target), 201 if new else 200, _async(call, operation))


def patch_target(call: Call) -> Response:
    """Change a target."""
    target, operation = _backend(call).patch(call.workspace, call.params["name"], call.json_object())
    return json_response(wire(call.workspace, target), 200, _async(call, operation) if operation else None)


def delete_target(call: Call) -> Response:
    """Delete or detach a target."""
    action = call.arg("underlyingResourceAction", "delete") or "delete"
    return empty_response(202, _async(call, _backend(call).delete(call.workspace, call.params["name"], action)))


def list_nodes(call: Call) -> Response:
    """The nodes of a training cluster."""
    target = _backend(call).get(call.workspace, call.params["name"])
    nodes = [
        {
            "nodeId": f"tvmps_{target.name}_{index}_p",
            "ipAddress": f"10.0.0.{4 + index}",
            "privateIpAddress": f"10.0.0.{4 + index}",
            "publicIpAddress": None,
            "port": 50000 + index,
            "nodeState": "running" if index < target.busy else "idle",
            "runId": None,
        }
        for index in range(target.nodes())
    ]
    return json_response({"nodes": nodes})


def list_keys(call: Call) -> Response:
    """Credentials of a Kubernetes cluster; they open nothing."""
    target = _backend(call).get(call.workspace, call.params["name"])
    config = f"apiVersion: v1\nkind: Config\nclusters:\n- name: {target.name}\n"
    return json_response(
        {
            "computeType": target.type,
            "userKubeConfig": config,
            "adminKubeConfig": config,
            "imagePullSecretName": "azuremlacrsecret",
        }
    )


def get_operation(call: Call) -> Response:
    """State of an operation on a target; the first poll waits for its end."""
    operation = call.state.operations.poll(call.params["id"])
    status = {RUNNING: "InProgress", CANCELED: "Canceled", FAILED: "Failed"}.get(operation.status, "Succeeded")
    document: dict[str, Any] = {
        "id": call.request.path,
        "name": operation.id,
        "status": status,
        "startTime": operation.started,
        "endTime": operation.ended,
        "percentComplete": 100 if operation.finished else 50,
    }
    if operation.error:
        document["error"] = operation.error
    return json_response(document)


def list_sizes(call: Call) -> Response:
    """The virtual machine sizes of a region."""
    sizes = [size.wire() for size in SIZES.values()]
    return json_response({"value": sizes, "amlCompute": sizes})


def list_usages(call: Call) -> Response:
    """Clusters and cores in use in a region, and their limits: rows and names as the REST specification shows them.

    https://github.com/Azure/azure-rest-api-specs, Microsoft.MachineLearningServices 2020-03-01, ListUsages.json.
    """
    backend = _backend(call)
    subscription = f"/subscriptions/{call.params['subscription']}"

    def row(kind: str, name: str, used: int, limit: int, owner: str = "", own: bool = False) -> dict[str, Any]:
        path = f"{owner or subscription}/usages" + (f"/{name.replace(' ', '_')}" if own else "")
        named = {"value": name, "localizedValue": name}
        kind = f"Microsoft.MachineLearningServices/{kind}/usages"
        return {"id": path, "type": kind, "unit": "Count", "currentValue": used, "limit": limit, "name": named}

    rows = [row("totalCores", "Clusters", backend.clusters(), MAX_CLUSTERS)]
    for low, kind in ((False, "Dedicated"), (True, "LowPriority")):
        total = f"Total Cluster {kind} Regional vCPUs"
        kinds = "lowPriorityCores" if low else "dedicatedCores"
        rows.append(row(kinds, total, backend.cores(low_priority=low), backend.quota))
        for family in FAMILIES:
            name = f"Standard {family} Family Cluster {kind} vCPUs"
            limit = -1 if low else backend.limit(family)
            rows.append(row("vmFamily", name, backend.cores(family, low_priority=low), limit, own=True))
            if not call.flag("expandChildren"):
                continue
            for owner, clusters in backend.using(family, low_priority=low):
                used = sum(cluster.cores() for cluster in clusters)
                rows.append(row("workspaces", name, used, limit, owner, own=True))
                for cluster in clusters:
                    path = f"{owner}/computes/{cluster.name}"
                    rows.append(row("workspaces/computes", name, cluster.cores(), limit, path, own=True))
    return json_response({"value": rows})


def wire(workspace: Workspace, target: Compute) -> dict[str, Any]:
    """Return a target as Azure ML writes it."""
    inner = dict(target.inner)
    if target.type == AML:
        nodes = target.nodes()
        inner |= {
            "allocationState": "Steady" if target.state == "Succeeded" else "Resizing",
            "allocationStateTransitionTime": target.modified.isoformat(),
            "currentNodeCount": nodes,
            "targetNodeCount": nodes,
            "nodeStateCounts": {
                "preparingNodeCount": 0,
                "runningNodeCount": min(nodes, target.busy),
                "idleNodeCount": max(0, nodes - target.busy),
                "unusableNodeCount": 0,
                "leavingNodeCount": 0,
                "preemptedNodeCount": 0,
            },
            "errors": None,
        }
    document = {
        "id": f"{workspace.arm_id}/computes/{target.name}",
        "name": target.name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": target.location,
        "tags": target.tags or None,
        "properties": {
            "computeType": target.type,
            "computeLocation": target.location,
            "resourceId": target.resource_id,
            "description": target.description or "",
            "isAttachedCompute": target.attached,
            "provisioningState": target.state,
            "provisioningErrors": target.errors or None,
            "createdOn": target.created.isoformat(),
            "modifiedOn": target.modified.isoformat(),
            "properties": inner,
        },
    }
    if target.identity and target.identity.get("type") != "None":
        # The SDK cannot read a null here.
        document["identity"] = {
            "principalId": None,
            "tenantId": None,
            "userAssignedIdentities": None,
            **target.identity,
        }
    return document


def _backend(call: Call) -> Computes:
    return call.state.backend(Computes)


def _async(call: Call, operation: Operation) -> dict[str, str]:
    workspace = call.workspace
    status = (
        f"https://management.azure.com/subscriptions/{workspace.subscription_id}"
        f"/providers/Microsoft.MachineLearningServices/locations/{workspace.location}"
        f"/computeOperationsStatus/{operation.id}?api-version={API_VERSION}"
    )
    return {"Azure-AsyncOperation": status}
