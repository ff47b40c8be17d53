"""Routes of Azure Resource Manager."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug import Response

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import ARM
from fakes.core.routing import Auth, Call, Route, Service

r = Handlers("fakes.services.arm.responses")

_SDK = "azureml-core 1.61 and the azure-mgmt packages that it calls"
_REST = "Azure REST reference, Resource Management and Machine Learning"
_SUB = "/subscriptions/{subscription}"
_GROUP = f"{_SUB}/resourceGroups/{{resource_group}}"
_ML = "/providers/Microsoft.MachineLearningServices/workspaces"
_DEPLOYMENT = f"{_GROUP}/providers/Microsoft.Resources/deployments/{{deployment}}"


def _route(
    method: str,
    template: str,
    operation: str,
    handler: Callable[[Call], Response],
    *,
    sdk: bool = True,
    locked: bool = True,
    auth: Auth | None = None,
) -> Route:
    evidence, source = (Evidence.SDK_ACCEPTS, _SDK) if sdk else (Evidence.DOCUMENTED, _REST)
    return Route(method, template, operation, handler, evidence, source, locked=locked, auth=auth)


SERVICE = Service(
    "arm",
    ARM,
    Style.ARM,
    [
        _route("GET", "/metadata/endpoints", "Arm_CloudMetadata", r.cloud_metadata, auth=Auth.NONE),
        _route("GET", "/subscriptions", "Subscriptions_List", r.list_subscriptions),
        _route("GET", _SUB, "Subscriptions_Get", r.get_subscription, sdk=False),
        _route("GET", f"{_SUB}/resourceGroups", "ResourceGroups_List", r.list_groups, sdk=False),
        _route("GET", _GROUP, "ResourceGroups_Get", r.get_group),
        _route("HEAD", _GROUP, "ResourceGroups_CheckExistence", r.head_group, sdk=False),
        _route("PUT", _GROUP, "ResourceGroups_CreateOrUpdate", r.put_group),
        _route("DELETE", _GROUP, "ResourceGroups_Delete", r.delete_group, sdk=False),
        _route("GET", f"{_SUB}/providers/{{namespace}}", "Providers_Get", r.get_provider),
        _route("GET", f"{_SUB}/resources", "Resources_List", r.list_resources),
        _route("GET", f"{_GROUP}/resources", "Resources_ListByResourceGroup", r.list_resources, sdk=False),
        _route("DELETE", f"{_GROUP}/providers/{{namespace}}/{{kind}}/{{name}}", "Resources_Delete", r.delete_resource),
        _route(
            "GET",
            f"{_SUB}/providers/Microsoft.Resources/deployments",
            "Deployments_ListAtSubscription",
            r.list_deployments,
        ),
        _route(
            "GET",
            f"{_GROUP}/deployments/{{deployment}}/operations",
            "DeploymentOperations_List",
            r.list_deployment_operations,
        ),
        _route("PUT", _DEPLOYMENT, "Deployments_CreateOrUpdate", r.put_deployment),
        _route("GET", _DEPLOYMENT, "Deployments_Get", r.get_deployment),
        _route(
            "GET",
            f"{_DEPLOYMENT}/operationStatuses/{{operation}}",
            "Deployments_GetStatus",
            r.deployment_status,
            locked=False,
        ),
        _route("GET", f"{_SUB}{_ML}", "Workspaces_ListBySubscription", r.list_workspaces, sdk=False),
        _route("GET", f"{_GROUP}{_ML}", "Workspaces_ListByResourceGroup", r.list_workspaces),
        _route("GET", "{workspace}", "Workspaces_Get", r.get_workspace),
        _route("PUT", "{workspace}", "Workspaces_CreateOrUpdate", r.put_workspace, sdk=False),
        _route("PATCH", "{workspace}", "Workspaces_Update", r.patch_workspace),
        _route("DELETE", "{workspace}", "Workspaces_Delete", r.delete_workspace),
        _route("POST", "{workspace}/listKeys", "Workspaces_ListKeys", r.list_keys),
        _route("POST", "{workspace}/resynckeys", "Workspaces_ResyncKeys", r.resync_keys),
    ],
    Auth.BEARER,
    "Azure Resource Manager",
)
