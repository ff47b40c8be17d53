"""Compute targets: state and behaviour, no HTTP.

Facts: the documents that azureml-core 1.61 sends and reads (``azureml.core.compute``), and
https://learn.microsoft.com/rest/api/azureml/compute for states and meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar

from fakes.core.errors import AzureError, bad_request
from fakes.core.operations import SUCCEEDED, Operation
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.compute.sizes import SIZES, size_of

AML, AKS = "AmlCompute", "AKS"
# What the fake knows how to hold; others are refused by name rather than accepted and ignored.
TYPES = {AML.casefold(): AML, AKS.casefold(): AKS}
KIND = "compute"

_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
_CLUSTER_ID = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.containerservice/managedclusters/(?P<cluster>[^/]+)",
    re.IGNORECASE,
)
# FastProd and DenseProd clusters need this many cores (SDK reference, AksCompute.provisioning_configuration).
PRODUCTION_CORES = 12
MAX_CLUSTERS = 200

Document = dict[str, Any]


@record
class Compute:
    """One compute target; `inner` is the type's own part of the document."""

    name: str
    type: str
    location: str
    created: datetime
    modified: datetime
    resource_id: str
    description: str | None = None
    attached: bool = False
    state: str = "Creating"
    errors: list[Document] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    identity: Document | None = None
    inner: Document = field(default_factory=dict)
    busy: int = 0

    @property
    def low_priority(self) -> bool:
        """Whether its nodes may be taken away."""
        return self.inner.get("vmPriority") == "LowPriority"

    @property
    def size(self) -> str:
        """Name of the virtual machine size."""
        return str(self.inner.get("vmSize") or self.inner.get("agentVmSize") or "")

    def cores(self) -> int:
        """Return the cores that count against the quota now."""
        known = size_of(self.size)
        nodes = self.nodes() if self.type == AML else int(self.inner.get("agentCount") or 0)
        return nodes * (known.cores if known else 0)

    def nodes(self) -> int:
        """Return how many nodes a training cluster has: what runs, within its limits, once it exists."""
        if self.type != AML or self.state not in ("Succeeded", "Updating"):
            return 0
        scale = self.inner["scaleSettings"]
        return int(min(max(scale["minNodeCount"], self.busy), scale["maxNodeCount"]))


# What stays as it was when a target is created again.
_KEPT = ("vmSize", "vmPriority", "agentVmSize")


class Computes(Backend):
    """The compute targets of every workspace.

    `quota` is the number of cores that a region gives, `family_quota` those of single families of sizes (``DSv2``).
    """

    name: ClassVar[str] = "compute"
    exported: ClassVar[tuple[str, ...]] = ("items", "quota", "family_quota")

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, dict[str, Compute]] = {}
        self.quota = 100
        self.family_quota: dict[str, int] = {}

    def limit(self, family: str) -> int:
        """Return the cores that a family of sizes may use."""
        return self.family_quota.get(family, self.quota)

    def clusters(self) -> int:
        """Return the number of training clusters."""
        return len(self._training_clusters())

    def cores(self, family: str | None = None, *, low_priority: bool = False) -> int:
        """Return the cores of training clusters that count against the quota of a family, or of the region."""
        return sum(cluster.cores() for cluster in self._training_clusters(family, low_priority))

    def using(self, family: str, *, low_priority: bool = False) -> Iterator[tuple[str, Sequence[Compute]]]:
        """Return the workspaces (ARM ids) that have clusters of a family, each with these."""
        found = {id(cluster) for cluster in self._training_clusters(family, low_priority)}
        for targets in self.items.values():
            clusters = [target for target in targets.values() if id(target) in found]
            if clusters:
                yield clusters[0].resource_id.partition("/computes/")[0], clusters

    def list(self, workspace: Workspace) -> list[Compute]:
        """Return the targets of a workspace, by name."""
        return sorted(self.items.get(workspace.key, {}).values(), key=lambda c: c.name)

    def get(self, workspace: Workspace, name: str) -> Compute:
        """Return one target; 404 as Azure words it."""
        found = self.items.get(workspace.key, {}).get(name.casefold())
        if found is None:
            raise AzureError(404, "ComputeNotFound", f"Compute with name {name} not found in provided workspace")
        return found

    def put(self, workspace: Workspace, name: str, document: Document) -> tuple[Compute, Operation, bool]:
        """Create or replace a target. Returns it, the operation, and whether it is new."""
        properties = document.get("properties")
        if not isinstance(properties, dict):
            raise bad_request("The request body has no 'properties'.", "InvalidRequestContent")
        kind = TYPES.get(str(properties.get("computeType")).casefold())
        if kind is None:
            raise bad_request(
                f"The fake holds compute of type AmlCompute and AKS, not '{properties.get('computeType')}'.",
                "UnsupportedComputeType",
            )
        targets = self.items.setdefault(workspace.key, {})
        old = targets.get(name.casefold())
        if old is not None and old.type != kind:
            raise AzureError(409, "Conflict", f"A compute of type {old.type} with the name '{name}' exists already.")
        if old is not None and old.state in ("Creating", "Updating", "Deleting"):
            raise AzureError(409, "Conflict", f"The compute '{name}' is in state {old.state}; try again when it ended.")
        if old is None and self.state.settings.strict and not _NAME.fullmatch(name):
            raise bad_request(
                f"The compute name '{name}' is invalid: 1 to 32 letters, digits and dashes, beginning with a letter.",
                "InvalidComputeName",
            )
        now = self.state.clock.now()
        resource_id = str(properties.get("resourceId") or "")
        target = Compute(
            name=name,
            type=kind,
            location=str(properties.get("computeLocation") or document.get("location") or workspace.location),
            created=old.created if old else now,
            modified=now,
            resource_id=resource_id or f"{workspace.arm_id}/computes/{name}",
            description=properties.get("description"),
            attached=bool(resource_id),
            state="Creating" if old is None else "Updating",
            tags=dict(document.get("tags") or {}),
            identity=document.get("identity"),
            inner=self._inner(kind, properties.get("properties") or {}, resource_id, workspace),
        )
        if old is not None:
            # Taken and not done: https://github.com/hashicorp/terraform-provider-azurerm/issues/15825
            target.inner |= {key: old.inner[key] for key in _KEPT if key in old.inner}
        self._within_quota(workspace, target)
        targets[name.casefold()] = target
        return target, self._start(target), old is None

    def patch(self, workspace: Workspace, name: str, document: Document) -> tuple[Compute, Operation | None]:
        """Change scale settings, agent count or identity. Returns no operation when nothing changes."""
        target = self.get(workspace, name)
        properties = document.get("properties")
        changes = dict((properties or {}).get("properties") or {})
        inner = dict(target.inner)
        if target.type == AML and "scaleSettings" in changes:
            inner["scaleSettings"] = _scale(inner["scaleSettings"] | dict(changes["scaleSettings"] or {}))
        if target.type == AKS:
            for key in ("agentCount", "sslConfiguration", "loadBalancerType", "loadBalancerSubnet"):
                if changes.get(key) is not None:
                    inner[key] = changes[key]
        identity = document["identity"] if document.get("identity") else target.identity
        if inner == target.inner and identity == target.identity:
            return target, None
        target.inner, target.identity = inner, identity
        self._within_quota(workspace, target)
        target.state = "Updating"
        target.modified = self.state.clock.now()
        return target, self._start(target)

    def delete(self, workspace: Workspace, name: str, action: str) -> Operation:
        """Delete a target, or only detach it (``action``: ``delete`` or ``detach``)."""
        target = self.get(workspace, name)
        if action.casefold() not in ("delete", "detach"):
            raise bad_request(f"underlyingResourceAction must be Delete or Detach, not '{action}'.")
        if target.type == AML and action.casefold() == "detach":
            raise bad_request("Detach is not supported for AmlCompute; use delete.", "UnsupportedOperation")
        target.state = "Deleting"

        def gone(operation: Operation) -> None:
            if operation.status == SUCCEEDED:
                self.items.get(workspace.key, {}).pop(name.casefold(), None)
            else:
                target.state = "Failed"

        return self.state.operations.start(KIND, target.name, on_end=gone)

    def occupy(self, workspace: Workspace, name: str, nodes: int) -> None:
        """Note that `nodes` more nodes run a job (negative: fewer): the cluster grows and shrinks by it."""
        target = self.get(workspace, name)
        target.busy = max(0, target.busy + nodes)

    def _start(self, target: Compute) -> Operation:
        def ended(operation: Operation) -> None:
            target.state = "Succeeded" if operation.status == SUCCEEDED else "Failed"
            target.errors = [{"error": operation.error}] if operation.error else []
            target.modified = self.state.clock.now()

        return self.state.operations.start(KIND, target.name, on_end=ended)

    def _within_quota(self, workspace: Workspace, target: Compute) -> None:
        size = size_of(target.size)
        if size is None:
            return
        others = sum(c.cores() for c in self.list(workspace) if c.name.casefold() != target.name.casefold())
        nodes = target.inner["agentCount"] if target.type == AKS else target.inner["scaleSettings"]["minNodeCount"]
        # Azure wants room for at least one node, also when the cluster starts empty.
        wanted = max(1, int(nodes)) * size.cores
        quota = f"total vCPU quota of {self.quota}" if others + wanted > self.quota else ""
        if not quota and target.type == AML and not target.low_priority:
            clusters = [c for c in self._training_clusters(size.quota, False) if c.resource_id != target.resource_id]
            limit, taken = self.limit(size.quota), sum(cluster.cores() for cluster in clusters)
            # How Azure words the limit of one family is not known: as the region's.
            quota = f"{size.family} vCPU quota of {limit}" if taken + wanted > limit else ""
        if quota:
            raise AzureError(
                400,
                "BadRequest" if target.type == AML else "QuotaExceeded",
                f"The specified subscription has a {quota} and cannot accomodate for at least "
                f"{max(1, int(nodes))} requested managed compute node which maps to {wanted} vCPUs. Talk to your "
                "Subscription Admin or refer to "
                "https://docs.microsoft.com/azure/machine-learning/how-to-manage-quotas#request-quota-increases "
                "to increase the quota.",
            )

    def _training_clusters(self, family: str | None = None, low_priority: bool | None = None) -> Sequence[Compute]:
        every = [target for targets in self.items.values() for target in targets.values() if target.type == AML]
        return [
            cluster
            for cluster in every
            if low_priority in (None, cluster.low_priority) and family in (None, _family(cluster.size))
        ]

    def _inner(self, kind: str, given: Document, resource_id: str, workspace: Workspace) -> Document:
        if kind == AML:
            return self._training(given)
        return self._kubernetes(given, resource_id, workspace)

    def _size(self, name: str) -> str:
        found = size_of(name)
        if found is not None:
            return found.name
        if self.state.settings.strict:
            some = ", ".join(size.name for size in list(SIZES.values())[:3])
            raise bad_request(
                f"The specified VM size '{name}' is not supported in this region; the fake knows {some}, ...",
                "InvalidVMSize",
            )
        return name

    def _training(self, given: Document) -> Document:
        size = self._size(str(given.get("vmSize") or ""))
        priority = str(given.get("vmPriority") or "dedicated")
        if priority.casefold() not in ("dedicated", "lowpriority"):
            raise bad_request(f"vmPriority must be Dedicated or LowPriority, not '{priority}'.")
        credentials = given.get("userAccountCredentials") or {}
        inner = {
            "vmSize": size.upper(),
            "vmPriority": {"dedicated": "Dedicated", "lowpriority": "LowPriority"}[priority.casefold()],
            "scaleSettings": _scale(given.get("scaleSettings") or {}),
            "subnet": given.get("subnet"),
            "remoteLoginPortPublicAccess": given.get("remoteLoginPortPublicAccess") or "NotSpecified",
            "enableNodePublicIp": given.get("enableNodePublicIp", True),
        }
        if credentials:
            # Passwords and keys are never given back, and the SDK cannot read a null here.
            inner["userAccountCredentials"] = {"adminUserName": credentials.get("adminUserName")}
        return inner

    def _kubernetes(self, given: Document, resource_id: str, workspace: Workspace) -> Document:
        purpose = str(given.get("clusterPurpose") or "FastProd")
        count = 3 if given.get("agentCount") is None else given["agentCount"]
        size = self._size(str(given.get("agentVmSize") or "Standard_D3_v2"))
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise bad_request(f"agentCount must be a positive integer, not {count!r}.")
        match = _CLUSTER_ID.fullmatch(resource_id) if resource_id else None
        if resource_id and match is None:
            raise bad_request(f"'{resource_id}' is not the id of a Kubernetes cluster.", "InvalidResourceId")
        known = size_of(size)
        if purpose == "FastProd" and not resource_id and known and count * known.cores < PRODUCTION_CORES:
            raise bad_request(
                f"Cluster requires at least {PRODUCTION_CORES} virtual CPUs for the purpose {purpose}; {count} nodes "
                f"of {size} have {count * known.cores}. Use the purpose DevTest for small clusters.",
                "NotEnoughVirtualCPUs",
            )
        label = re.sub(r"[^a-z0-9]", "", (match["cluster"] if match else workspace.name).casefold())[:20]
        return {
            "agentVmSize": size,
            "agentCount": count,
            "clusterPurpose": purpose,
            "clusterFqdn": f"{label}-{self.state.ids.hex(8)}.hcp.{workspace.location}.azmk8s.io",
            "systemServices": [
                {"systemServiceType": name, "version": "1", "publicIpAddress": None}
                for name in ("AzureMLFrontEnd", "ScoringFrontEnd")
            ],
            "sslConfiguration": given.get("sslConfiguration"),
            "aksNetworkingConfiguration": given.get("aksNetworkingConfiguration"),
            "loadBalancerType": given.get("loadBalancerType") or "PublicIp",
            "loadBalancerSubnet": given.get("loadBalancerSubnet"),
        }


def _family(size: str) -> str:
    known = size_of(size)
    return known.quota if known else ""


def _scale(given: Document) -> Document:
    low, high = given.get("minNodeCount", 0) or 0, given.get("maxNodeCount")
    if not isinstance(low, int) or not isinstance(high, int) or low < 0 or high < max(low, 1):
        raise bad_request(
            f"scaleSettings need 0 <= minNodeCount <= maxNodeCount and at least one node, not {low!r} and {high!r}.",
            "InvalidScaleSettings",
        )
    idle = str(given.get("nodeIdleTimeBeforeScaleDown") or "PT120S")
    if not re.fullmatch(r"P(?=.)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", idle):
        raise bad_request(f"nodeIdleTimeBeforeScaleDown must be a duration such as PT120S, not '{idle}'.")
    return {"minNodeCount": low, "maxNodeCount": high, "nodeIdleTimeBeforeScaleDown": idle}
