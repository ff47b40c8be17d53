"""Resource groups, workspaces and template deployments as Azure Resource Manager keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from fakes.core.errors import AzureError, bad_request
from fakes.core.operations import Operation
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import ResourceGroup, Workspace
from fakes.services.blob.models import BlobBackend

_GROUP = re.compile(r"[-\w._()]{0,89}[-\w_()]")
_WORKSPACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}")
LOCATIONS = ("westeurope", "northeurope", "eastus", "eastus2", "westus", "westus2", "centralus", "uksouth")
_CHANGEABLE = (
    "friendlyName",
    "description",
    "imageBuildCompute",
    "publicNetworkAccess",
    "v1LegacyMode",
    "containerRegistry",
    "applicationInsights",
)
_AT_CREATION = ("storageAccount", "keyVault", "hbiWorkspace", "encryption")
# Kinds of resources that a workspace names and the fake does not have.
NAMES_ONLY = ("microsoft.keyvault/vaults", "microsoft.insights/components", "microsoft.containerregistry/registries")
# What the SDK's template has besides; nothing asks for it.
_TOLD_ONLY = ("microsoft.resources/deployments", "microsoft.operationalinsights/workspaces")
_STORAGE_TYPE = "microsoft.storage/storageaccounts"
_WORKSPACE_TYPE = "microsoft.machinelearningservices/workspaces"


@record
class Deployment:
    """One template deployment."""

    name: str
    template: dict[str, Any]
    parameters: dict[str, Any]
    operation_id: str
    outputs: list[str] = field(default_factory=list)


class ArmBackend(Backend):
    """What ARM does beyond looking things up (`Tenancy` holds the things themselves)."""

    name = "arm"
    exported = ("deployments",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.deployments: dict[str, Deployment] = {}

    # ---- resource groups

    def put_group(self, subscription: str, name: str, body: Mapping[str, Any]) -> tuple[ResourceGroup, bool]:
        """Create or update a resource group; tell whether it is new."""
        tenancy = self.state.tenancy
        tenancy.subscription(subscription)
        location = _location(body)
        if not _GROUP.fullmatch(name):
            raise bad_request(f"The provided resource group name '{name}' is not valid.", "InvalidResourceGroup")
        before = tenancy.groups.get((subscription.casefold(), name.casefold()))
        if before is not None and before.location != location:
            raise AzureError(
                409,
                "InvalidResourceGroupLocation",
                f"Invalid resource group location '{location}'. The Resource group already exists in location "
                f"'{before.location}'.",
            )
        group = before or tenancy.add_group(subscription, name, location)
        group.tags = _tags(body) or group.tags
        return group, before is None

    def delete_group(self, subscription: str, name: str) -> None:
        """Delete a resource group with its workspaces."""
        tenancy = self.state.tenancy
        group = tenancy.group(subscription, name)
        for workspace in self.workspaces(subscription, name):
            self.delete_workspace(workspace)
        below = f"{_group_id(subscription, name)}/".casefold()
        for key in [key for key in self.deployments if key.startswith(below)]:
            del self.deployments[key]
        del tenancy.groups[group.subscription_id.casefold(), group.name.casefold()]

    # ---- workspaces

    def workspaces(self, subscription: str, group: str | None = None) -> list[Workspace]:
        """Return the workspaces of a subscription or a resource group, by name."""
        self.state.tenancy.subscription(subscription)
        if group is not None:
            self.state.tenancy.group(subscription, group)
        found = [
            w
            for w in self.state.tenancy.workspaces.values()
            if w.subscription_id.casefold() == subscription.casefold()
            and (group is None or w.resource_group.casefold() == group.casefold())
        ]
        return sorted(found, key=lambda workspace: workspace.name)

    def put_workspace(
        self, subscription: str, group: str, name: str, body: Mapping[str, Any]
    ) -> tuple[Workspace, bool]:
        """Create or replace a workspace; tell whether it is new."""
        tenancy = self.state.tenancy
        known_group = tenancy.group(subscription, group)
        location = _location(body)
        if self.state.settings.strict and not _WORKSPACE.fullmatch(name):
            raise bad_request(
                f"Workspace name '{name}' is invalid: 3 to 33 letters, digits, '-' and '_', beginning with a letter or "
                "a digit.",
                "ValidationError",
            )
        key = f"{_group_id(subscription, group)}/providers/{_WORKSPACE_TYPE}/{name}".casefold()
        before = tenancy.workspaces.get(key)
        if before is not None and before.location != location:
            raise AzureError(
                409, "InvalidResourceLocation", f"The resource '{name}' already exists in location '{before.location}'."
            )
        properties = body.get("properties") or {}
        _check_offered(body, properties)
        workspace = before or tenancy.add_workspace(
            known_group.subscription_id,
            known_group.name,
            name,
            location,
            account=_last(properties.get("storageAccount")),
            registry=_last(properties.get("containerRegistry")),
        )
        workspace.tags = _tags(body)
        sku = body.get("sku")
        if isinstance(sku, Mapping) and sku.get("name"):
            workspace.sku = str(sku["name"])
        if before is None:
            self._change(workspace, properties, _AT_CREATION)
        self._change(workspace, properties, _CHANGEABLE)
        return workspace, before is None

    def _change(self, workspace: Workspace, properties: Mapping[str, Any], names: Iterable[str]) -> None:
        workspace.properties |= {k: properties[k] for k in names if properties.get(k) is not None}
        if "containerRegistry" in names and properties.get("containerRegistry"):
            workspace.container_registry = _last(properties["containerRegistry"])

    def patch_workspace(self, workspace: Workspace, body: Mapping[str, Any]) -> None:
        """Change a workspace."""
        if body.get("tags") is not None:
            workspace.tags = _tags(body)
        properties = body.get("properties") or {}
        unknown = sorted(set(properties) - set(_CHANGEABLE))
        if unknown and self.state.settings.strict:
            raise bad_request(f"These properties cannot be changed: {', '.join(unknown)}.", "ValidationError")
        self._change(workspace, properties, _CHANGEABLE)

    def delete_workspace(self, workspace: Workspace) -> None:
        """Delete a workspace with all that is in it. Its storage account stays, as in Azure."""
        self.state.forget(workspace)

    def delete_resource(self, subscription: str, group: str, kind: str, name: str) -> bool:
        """Delete what a workspace depends on; tell whether it was there.

        A storage account goes with its blobs; vaults, insights and registries are names only. There are no others.
        """
        self.state.tenancy.group(subscription, group)
        if kind.casefold() == _STORAGE_TYPE:
            return self.state.backend(BlobBackend).delete_account(name.lower())
        return kind.casefold() in NAMES_ONLY

    def keys(self, workspace: Workspace) -> dict[str, Any]:
        """Return the answer to listKeys."""
        account = self.state.tenancy.account(workspace.storage_account)
        group = _group_id(workspace.subscription_id, workspace.resource_group)
        return {
            "userStorageKey": account.keys[0],
            "userStorageResourceId": f"{group}/providers/Microsoft.Storage/storageAccounts/{account.name}",
            "appInsightsInstrumentationKey": workspace.workspace_id,
            "containerRegistryCredentials": {
                "location": workspace.location,
                "username": workspace.container_registry,
                "passwords": [
                    {"name": "password", "value": self.registry_password(workspace, 1)},
                    {"name": "password2", "value": self.registry_password(workspace, 2)},
                ],
            },
            "notebookAccessKeys": {"primaryAccessKey": account.keys[0], "secondaryAccessKey": account.keys[1]},
        }

    def registry_password(self, workspace: Workspace, number: int = 1) -> str:
        """Return a password of the workspace's container registry."""
        account = self.state.tenancy.account(workspace.storage_account)
        return re.sub(r"[^A-Za-z0-9]", "", account.keys[number - 1])[:32]

    # ---- template deployments

    def deploy(self, subscription: str, group: str, name: str, body: Mapping[str, Any]) -> Deployment:
        """Run a template: workspaces in it are created, what they depend on comes along with them."""
        self.state.tenancy.group(subscription, group)
        properties = body.get("properties")
        if not isinstance(properties, Mapping) or not isinstance(properties.get("template"), Mapping):
            raise bad_request("The deployment needs properties.template.", "InvalidRequestContent")
        template = dict(properties["template"])
        given = properties.get("parameters") or {}
        parameters = {k: v.get("defaultValue") for k, v in (template.get("parameters") or {}).items()}
        parameters |= {k: v.get("value") for k, v in given.items()}
        resources = [_resource(resource, parameters) for resource in template.get("resources") or []]
        made = Deployment(name, template, parameters, self.state.ids.guid())

        def finish(operation: Operation) -> None:
            if operation.status != "Succeeded":
                return
            for kind, resource, document in resources:
                made.outputs.append(self._create(subscription, group, kind, resource, document))

        self.state.operations.start("deployment", name, on_end=finish, operation_id=made.operation_id)
        self.deployments[f"{_group_id(subscription, group)}/{name}".casefold()] = made
        return made

    def _create(self, subscription: str, group: str, kind: str, name: str, document: Mapping[str, Any]) -> str:
        if kind.casefold() == _WORKSPACE_TYPE:
            location = document["location"] or self.state.tenancy.group(subscription, group).location
            self.put_workspace(subscription, group, name, {**document, "location": location})
        elif kind.casefold() == _STORAGE_TYPE:
            self.state.tenancy.add_account(name.lower())
        return f"{_group_id(subscription, group)}/providers/{kind}/{name}"

    def deployment(self, subscription: str, group: str, name: str) -> Deployment:
        """Return a deployment; 404 when there is none."""
        found = self.deployments.get(f"{_group_id(subscription, group)}/{name}".casefold())
        if found is None:
            raise AzureError(404, "DeploymentNotFound", f"Deployment '{name}' could not be found.")
        return found


def _group_id(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def _resource(resource: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Return type, name and document of a resource in a template.

    Raises
    ------
    AzureError
        501: it is of a kind that the fake does not make, or says what it is by functions of templates.
    """
    kind = str(resource.get("type", ""))
    if kind.casefold() not in (_WORKSPACE_TYPE, _STORAGE_TYPE, *NAMES_ONLY, *_TOLD_ONLY):
        raise _not_offered(f"The type {kind} in a template")
    name = str(_value(resource.get("name"), parameters))
    if kind.casefold() != _WORKSPACE_TYPE:
        return kind, name, {}
    location = resource.get("location")
    own = isinstance(location, str) and location.startswith("[resourceGroup()")
    return (
        kind,
        name,
        {
            "location": None if own else _value(location, parameters),
            "tags": _value(resource.get("tags"), parameters) or {},
            "sku": {"name": _value((resource.get("sku") or {}).get("name"), parameters) or "Basic"},
            "identity": resource.get("identity") or {},
            "properties": {k: _value(v, parameters) for k, v in (resource.get("properties") or {}).items()},
        },
    )


def _value(value: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a template value: ``[parameters('x')]`` is looked up, other functions are not known."""
    if not isinstance(value, str) or not value.startswith("[") or value.startswith("[["):
        return value
    match = re.fullmatch(r"\[parameters\('([^']+)'\)\]", value)
    if match is None:
        raise _not_offered(f"The template function {value}")
    return parameters.get(match.group(1))


def _last(resource: Any) -> str:
    """Return the name at the end of a resource id."""
    return str(resource or "").rpartition("/")[2].lower()


def _check_offered(body: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Refuse a workspace that would not be what was asked for."""
    if str(properties.get("systemDatastoresAuthMode") or "accessKey").casefold() != "accesskey":
        raise _not_offered("A workspace whose datastores are read by identity")
    kind = str((body.get("identity") or {}).get("type") or "SystemAssigned")
    if kind.casefold() != "systemassigned" or properties.get("primaryUserAssignedIdentity"):
        raise _not_offered("A workspace with a user-assigned identity")


def _not_offered(what: str) -> AzureError:
    return AzureError(501, "NotImplementedByFake", f"{what} is not implemented by this fake; nothing was made.")


def _location(body: Mapping[str, Any]) -> str:
    location = body.get("location")
    if not isinstance(location, str) or not location:
        raise bad_request("The location property is required for this definition.", "LocationRequired")
    return location.replace(" ", "").lower()


def _tags(body: Mapping[str, Any]) -> dict[str, str]:
    tags = body.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(v, str) for v in tags.values()):
        raise bad_request("Tags must be an object of strings.", "InvalidTags")
    if len(tags) > 50:
        raise bad_request("A resource can have at most 50 tags.", "TooManyTags")
    for key, value in tags.items():
        if len(key) > 512 or len(value) > 256:
            raise bad_request(f"The tag '{key[:40]}' is too long: 512 characters a name, 256 a value.", "InvalidTag")
    return dict(tags)
