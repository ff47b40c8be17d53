"""Answers of Azure Resource Manager."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.routing import Call, json_response
from fakes.core.tenancy import Workspace


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
    tenant = call.state.settings.tenant_id
    return json_response(
        {
            "value": [
                {
                    "id": f"/subscriptions/{subscription}",
                    "authorizationSource": "RoleBased",
                    "managedByTenants": [],
                    "subscriptionId": subscription,
                    "tenantId": tenant,
                    "displayName": title,
                    "state": "Enabled",
                }
                for subscription, title in call.state.tenancy.subscriptions.items()
            ],
            "count": {"type": "Total", "value": len(call.state.tenancy.subscriptions)},
        }
    )


def get_workspace(call: Call) -> Response:
    """Answer with one workspace."""
    return json_response(workspace_document(call.workspace))


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
