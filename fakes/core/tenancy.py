"""Who and what exists before anything else: tenant, subscriptions, resource groups, workspaces, storage accounts."""

from __future__ import annotations

import base64
import re
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fakes.core.clock import iso
from fakes.core.errors import AzureError
from fakes.core.records import record

if TYPE_CHECKING:
    from fakes.core.state import State


@record
class ResourceGroup:
    """A resource group."""

    subscription_id: str
    name: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)


@record
class StorageAccount:
    """A storage account and its two keys (base64).

    One from `outside` belongs to no workspace: a program told of it, and it is taken to have what the program says.
    Told of without a key (not `keyed`), its shared access signatures cannot be checked and are taken as they are.
    """

    name: str
    keys: list[str]
    outside: bool = False
    keyed: bool = True
    signatures: list[str] = field(default_factory=list)


@record
class Workspace:
    """An Azure ML workspace."""

    subscription_id: str
    resource_group: str
    name: str
    location: str
    workspace_id: str
    created: datetime
    storage_account: str
    container_registry: str
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    sku: str = "Basic"
    principal_id: str = ""
    tenant_id: str = ""

    @property
    def arm_id(self) -> str:
        """The ARM resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id as services key their state by it: ARM ids are compared in any case."""
        return self.arm_id.casefold()

    @property
    def api_host(self) -> str:
        """Host name of the data plane."""
        return f"{self.location}.api.azureml.ms"

    @property
    def api_url(self) -> str:
        """Address of the data plane, without a trailing slash."""
        return f"https://{self.api_host}"

    @property
    def container(self) -> str:
        """Name of the container that holds artifacts."""
        return "azureml"

    @property
    def blobstore(self) -> str:
        """Name of the container behind the default datastore."""
        return f"azureml-blobstore-{self.workspace_id}"

    @property
    def created_iso(self) -> str:
        """Creation time as Azure writes it."""
        return iso(self.created)


class Tenancy:
    """Subscriptions, resource groups, workspaces and storage accounts."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.subscriptions: dict[str, str] = {}
        self.groups: dict[tuple[str, str], ResourceGroup] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.accounts: dict[str, StorageAccount] = {}

    def seed(self) -> None:
        """Create the subscription, resource group and workspace of the settings."""
        s = self._state.settings
        self.subscriptions[s.subscription_id] = s.subscription_name
        self.add_group(s.subscription_id, s.resource_group, s.region)
        self.add_workspace(s.subscription_id, s.resource_group, s.workspace_name, s.region)

    def add_group(self, subscription: str, name: str, location: str) -> ResourceGroup:
        """Create a resource group."""
        group = ResourceGroup(subscription, name, location)
        self.groups[subscription.casefold(), name.casefold()] = group
        return group

    def group(self, subscription: str, name: str) -> ResourceGroup:
        """Return a resource group; 404 as ARM words it."""
        self.subscription(subscription)
        found = self.groups.get((subscription.casefold(), name.casefold()))
        if found is None:
            raise AzureError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
        return found

    def subscription(self, subscription: str) -> str:
        """Return the display name of a subscription; 404 as ARM words it."""
        for known, title in self.subscriptions.items():
            if known.casefold() == subscription.casefold():
                return title
        raise AzureError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")

    def account(self, name: str) -> StorageAccount:
        """Return a storage account; 404 when it was deleted."""
        found = self.accounts.get(name)
        if found is None:
            raise AzureError(404, "StorageAccountNotFound", f"The storage account '{name}' was not found.")
        return found

    def add_account(self, name: str) -> StorageAccount:
        """Return a storage account, made when it is new."""
        found = self.accounts.get(name)
        if found is None:
            first, second = (base64.b64encode(self._state.ids.secret(64)).decode() for _ in range(2))
            found = self.accounts[name] = StorageAccount(name, [first, second])
        return found

    def add_workspace(
        self, subscription: str, group: str, name: str, location: str, *, account: str = "", registry: str = ""
    ) -> Workspace:
        """Create a workspace, with a storage account and a registry of its own unless they are named."""
        ids = self._state.ids
        stem = re.sub(r"[^a-z0-9]", "", name.lower())[:10]
        account = self.add_account(account or f"{stem}stg{ids.hex(8)}").name
        workspace = Workspace(
            subscription_id=subscription,
            resource_group=group,
            name=name,
            location=location,
            workspace_id=ids.guid(),
            created=self._state.clock.now(),
            storage_account=account,
            container_registry=registry or f"{stem}acr{ids.hex(8)}",
            principal_id=ids.guid(),
            tenant_id=self._state.settings.tenant_id,
        )
        self.workspaces[workspace.key] = workspace
        return workspace

    def workspace(self, subscription: str, group: str, name: str) -> Workspace:
        """Return a workspace; 404 as ARM words it."""
        self.group(subscription, group)
        key = (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        ).casefold()
        found = self.workspaces.get(key)
        if found is None:
            raise AzureError(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource group '{group}' "
                "was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        return found
