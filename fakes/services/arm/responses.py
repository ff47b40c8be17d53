"""Answers of Azure Resource Manager."""

from __future__ import annotations

import re
from typing import Any

from werkzeug import Response

from fakes.core.errors import AzureError
from fakes.core.routing import Call, empty_response, json_response
from fakes.core.tenancy import ResourceGroup, Workspace
from fakes.services.arm.models import LOCATIONS, ArmBackend, Deployment


def cloud_metadata(call: Call) -> Response:
    """Answer which addresses make up the public cloud."""
    return json_response(
        [
            {
                "name": "AzureCloud",
                "portal": "https://portal.azure.com",
                "authentication": {
                    "loginEndpoint": "https://login.microsoftonline.com/",
                    "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "media": "https://rest.media.azure.net",
                "graphAudience": "https://graph.windows.net/",
                "graph": "https://graph.windows.net/",
                "suffixes": {
                    "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
                    "acrLoginServer": "azurecr.io",
                    "sqlServerHostname": "database.windows.net",
                    "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
                    "keyVaultDns": "vault.azure.net",
                    "storage": "core.windows.net",
                    "azureFrontDoorEndpointSuffix": "azurefd.net",
                },
                "batch": "https://batch.core.windows.net/",
                "resourceManager": "https://management.azure.com/",
                "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/"
                "quickstart-templates/aliases.json",
                "activeDirectoryDataLake": "https://datalake.azure.net/",
                "sqlManagement": "https://management.core.windows.net:8443/",
                "gallery": "https://gallery.azure.com/",
            }
        ]
    )


def list_subscriptions(call: Call) -> Response:
    """Answer with every subscription."""
    found = [
        _subscription(call, subscription, title) for subscription, title in call.state.tenancy.subscriptions.items()
    ]
    return json_response({"value": found, "count": {"type": "Total", "value": len(found)}})


def get_subscription(call: Call) -> Response:
    """Answer with one subscription."""
    title = call.state.tenancy.subscription(call.params["subscription"])
    return json_response(_subscription(call, call.params["subscription"], title))


def _subscription(call: Call, subscription: str, title: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription,
        "tenantId": call.state.settings.tenant_id,
        "displayName": title,
        "state": "Enabled",
    }


def get_workspace(call: Call) -> Response:
    """Answer with one workspace."""
    return json_response(workspace_document(call.workspace))


def list_workspaces(call: Call) -> Response:
    """Answer with the workspaces of a subscription or a resource group."""
    found = _backend(call).workspaces(call.params["subscription"], call.params.get("resource_group"))
    return json_response({"value": [workspace_document(workspace) for workspace in found]})


def put_workspace(call: Call) -> Response:
    """Create or replace a workspace."""
    p = call.params
    workspace, new = _backend(call).put_workspace(
        p["subscription"], p["resource_group"], p["workspace_name"], call.json_object()
    )
    return json_response(workspace_document(workspace), 201 if new else 200)


def patch_workspace(call: Call) -> Response:
    """Change a workspace."""
    _backend(call).patch_workspace(call.workspace, call.json_object())
    return json_response(workspace_document(call.workspace))


def delete_workspace(call: Call) -> Response:
    """Delete a workspace; 204 when there is none."""
    try:
        workspace = call.workspace
    except AzureError as error:
        if error.code == "ResourceNotFound":
            return empty_response(204)
        raise
    _backend(call).delete_workspace(workspace)
    return empty_response(200)


def list_keys(call: Call) -> Response:
    """Answer with the keys of what a workspace depends on."""
    return json_response(_backend(call).keys(call.workspace))


def resync_keys(call: Call) -> Response:
    """Answer that the keys are in step: they always are."""
    _ = call.workspace
    return empty_response(200)


# ---- resource groups, providers, resources


def list_groups(call: Call) -> Response:
    """Answer with the resource groups of a subscription."""
    subscription = call.params["subscription"]
    call.state.tenancy.subscription(subscription)
    found = [g for (owner, _), g in sorted(call.state.tenancy.groups.items()) if owner == subscription.casefold()]
    return json_response({"value": [_group(group) for group in found]})


def get_group(call: Call) -> Response:
    """Answer with one resource group."""
    return json_response(_group(call.state.tenancy.group(call.params["subscription"], call.params["resource_group"])))


def head_group(call: Call) -> Response:
    """Answer whether a resource group exists: 204 or 404."""
    call.state.tenancy.group(call.params["subscription"], call.params["resource_group"])
    return empty_response(204)


def put_group(call: Call) -> Response:
    """Create or update a resource group."""
    group, new = _backend(call).put_group(
        call.params["subscription"], call.params["resource_group"], call.json_object()
    )
    return json_response(_group(group), 201 if new else 200)


def delete_group(call: Call) -> Response:
    """Delete a resource group."""
    _backend(call).delete_group(call.params["subscription"], call.params["resource_group"])
    return empty_response(200)


def get_provider(call: Call) -> Response:
    """Answer that a resource provider is registered, and where it is offered."""
    call.state.tenancy.subscription(call.params["subscription"])
    namespace = call.params["namespace"]
    if not namespace.casefold().startswith("microsoft."):
        raise AzureError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    return json_response(
        {
            "id": f"/subscriptions/{call.params['subscription']}/providers/{namespace}",
            "namespace": namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Registered",
            "resourceTypes": [
                {
                    "resourceType": "workspaces",
                    "locations": sorted({*LOCATIONS, call.state.settings.region}),
                    "apiVersions": ["2022-05-01", "2021-04-01", "2020-01-01"],
                }
            ],
        }
    )


def list_resources(call: Call) -> Response:
    """Answer with the resources of a subscription or a group; the fake keeps workspaces."""
    found = _backend(call).workspaces(call.params["subscription"], call.params.get("resource_group"))
    fields = ("id", "name", "type", "location", "tags", "kind", "sku", "identity")
    documents = [{name: d[name] for name in fields} for d in map(workspace_document, found)]
    for field, value in _conditions(call.arg("$filter") or ""):
        documents = [d for d in documents if str(d[field]).casefold() == value.casefold()]
    return json_response({"value": documents})


def _conditions(text: str) -> list[tuple[str, str]]:
    """Read a filter: conditions that all must hold. A condition that is not known must not be overlooked."""
    fields = {"resourcetype": "type", "name": "name", "location": "location"}
    found = []
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else ():
        match = re.fullmatch(r"\(?\s*(\w+)\s+eq\s+'([^']*)'\s*\)?", part, re.IGNORECASE)
        if match is None or match[1].casefold() not in fields:
            raise AzureError(501, "NotImplementedByFake", f"The fake does not know the filter {part!r}.")
        found.append((fields[match[1].casefold()], match[2]))
    return found


def delete_resource(call: Call) -> Response:
    """Delete what a workspace depends on; 204 when there is no such thing."""
    p = call.params
    kind = f"{p['namespace']}/{p['kind']}"
    gone = _backend(call).delete_resource(p["subscription"], p["resource_group"], kind, p["name"])
    return empty_response(200 if gone else 204)


# ---- template deployments


def put_deployment(call: Call) -> Response:
    """Run a template."""
    p = call.params
    made = _backend(call).deploy(p["subscription"], p["resource_group"], p["deployment"], call.json_object())
    return json_response(_deployment(call, made), 201, _async(call, made))


def list_deployments(call: Call) -> Response:
    """Answer with the deployments to the subscription itself: the fake has none, only those to resource groups."""
    call.state.tenancy.subscription(call.params["subscription"])
    return json_response({"value": []})


def get_deployment(call: Call) -> Response:
    """Answer with a deployment."""
    p = call.params
    made = _backend(call).deployment(p["subscription"], p["resource_group"], p["deployment"])
    return json_response(_deployment(call, made))


def list_deployment_operations(call: Call) -> Response:
    """Answer with what a deployment did, one entry a resource."""
    p = call.params
    made = _backend(call).deployment(p["subscription"], p["resource_group"], p["deployment"])
    operation = call.state.operations.get(made.operation_id)
    entries = []
    for number, resource in enumerate(made.outputs):
        kind, _, name = resource.partition("/providers/")[2].rpartition("/")
        entries.append(
            {
                "id": f"{resource}/operations/{number}",
                "operationId": f"{made.operation_id}-{number}",
                "properties": {
                    "provisioningOperation": "Create",
                    "provisioningState": operation.status,
                    "timestamp": operation.ended or operation.started,
                    "duration": "PT1S",
                    "statusCode": "OK",
                    "targetResource": {"id": resource, "resourceType": kind, "resourceName": name},
                },
            }
        )
    return json_response({"value": entries})


def deployment_status(call: Call) -> Response:
    """Answer a poll of a deployment."""
    operation = call.state.operations.poll(call.params["operation"])
    body: dict[str, Any] = {"status": operation.status}
    if operation.error:
        body["error"] = {"code": operation.error["code"], "message": operation.error["message"]}
    return json_response(body, headers={"Retry-After": "0"})


def _async(call: Call, made: Deployment) -> dict[str, str]:
    p = call.params
    return {
        # The first poll is held until the deployment ends: nobody needs to wait before it.
        "Retry-After": "0",
        "Azure-AsyncOperation": f"https://management.azure.com/subscriptions/{p['subscription']}/resourcegroups/"
        f"{p['resource_group']}/providers/Microsoft.Resources/deployments/{made.name}/operationStatuses/"
        f"{made.operation_id}?api-version=2020-06-01",
    }


def _deployment(call: Call, made: Deployment) -> dict[str, Any]:
    p = call.params
    operation = call.state.operations.get(made.operation_id)
    properties: dict[str, Any] = {
        "templateHash": "0",
        "parameters": {},
        "mode": "Incremental",
        "provisioningState": operation.status,
        "timestamp": operation.ended or operation.started,
        "duration": "PT1S",
        "correlationId": made.operation_id,
        "providers": [],
        "dependencies": [],
        "outputResources": [{"id": resource} for resource in made.outputs],
    }
    if operation.error:
        properties["error"] = {"code": operation.error["code"], "message": operation.error["message"]}
    return {
        "id": f"/subscriptions/{p['subscription']}/resourceGroups/{p['resource_group']}/providers/"
        f"Microsoft.Resources/deployments/{made.name}",
        "name": made.name,
        "type": "Microsoft.Resources/deployments",
        "properties": properties,
    }


def _group(group: ResourceGroup) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{group.subscription_id}/resourceGroups/{group.name}",
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    }


def _backend(call: Call) -> ArmBackend:
    return call.state.backend(ArmBackend)


def workspace_document(workspace: Workspace) -> dict[str, Any]:
    """Return a workspace as ARM shows it."""
    group = f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}/providers"
    return {
        "id": workspace.arm_id,
        "name": workspace.name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": workspace.location,
        "tags": workspace.tags,
        "etag": None,
        "kind": "Default",
        "sku": {"name": workspace.sku, "tier": workspace.sku},
        "identity": {
            "type": "SystemAssigned",
            "principalId": workspace.principal_id,
            "tenantId": workspace.tenant_id,
        },
        "properties": {
            "friendlyName": workspace.name,
            "description": "",
            "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/{workspace.storage_account}",
            "containerRegistry": f"{group}/Microsoft.ContainerRegistry/registries/{workspace.container_registry}",
            "keyVault": f"{group}/Microsoft.KeyVault/vaults/{workspace.storage_account[:16]}kv",
            "applicationInsights": f"{group}/Microsoft.insights/components/{workspace.storage_account[:16]}ai",
            "hbiWorkspace": False,
            "imageBuildCompute": None,
            "provisioningState": "Succeeded",
            "v1LegacyMode": False,
            "creationTime": workspace.created_iso,
            "workspaceId": workspace.workspace_id,
            "discoveryUrl": f"{workspace.api_url}/discovery",
            "mlFlowTrackingUri": f"azureml://{workspace.api_host}/mlflow/v1.0{workspace.arm_id}",
            "notebookInfo": None,
            "privateEndpointConnections": None,
            "publicNetworkAccess": "Enabled",
            "tenantId": workspace.tenant_id,
            **workspace.properties,
        },
    }
