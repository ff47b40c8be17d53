"""What the workspace's region offers and how much of it is left: sizes of virtual machines, and cores (quota).

Training clusters count against quotas of Azure Machine Learning, one a family of sizes and one for the region; nodes
that do not run count nothing. Kubernetes clusters are made elsewhere and bring their cores with them.
https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.azure.common import ours

_SIZE = re.compile(r"Standard_([A-Z]+)\d+(?:-\d+)?([a-z]*)(?:_v(\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class Quota:
    """A limit on cores, and how many of them are taken."""

    name: str
    """As Azure writes it, such as ``Standard DSv2 Family Cluster Dedicated vCPUs``."""
    used: int
    limit: int

    @property
    def free(self) -> int:
        """Cores that are left."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True)
class Region:
    """Sizes and quotas of one region, as this subscription has them.

    Attributes
    ----------
    cores : mapping
        Cores of each size on offer.
    quotas : tuple of Quota
        Limits that there are; those of ``-1`` (none of their own) are left out.
    """

    name: str
    cores: Mapping[str, int]
    quotas: tuple[Quota, ...]

    def cores_of(self, size: str) -> int | None:
        """Cores of a size; ``None`` if the region does not offer it."""
        return next((cores for name, cores in self.cores.items() if name.casefold() == size.casefold()), None)

    def quotas_of(self, size: str, *, low_priority: bool = False) -> list[Quota]:
        """The limits that a node of this size counts against: its family's, and the region's."""
        kind = "LowPriority" if low_priority else "Dedicated"
        names = (f"Standard {family_of(size)} Family Cluster {kind} vCPUs", f"Total Cluster {kind} Regional vCPUs")
        return [quota for quota in self.quotas if _folded(quota.name) in map(_folded, names)]

    def room_for(self, size: str, *, low_priority: bool = False) -> int | None:
        """How many more nodes of a size fit; ``None`` where the size or every limit is unknown."""
        cores, quotas = self.cores_of(size), self.quotas_of(size, low_priority=low_priority)
        if not cores or not quotas:
            return None
        return min(quota.free for quota in quotas) // cores


def family_of(size: str) -> str:
    """The family that quotas count a size in: ``DSv2`` for ``Standard_DS2_v2``, ``DASv4`` for ``Standard_D4as_v4``.

    The SDK leaves the family out of what it tells of sizes. Where this rule does not hold (some GPU sizes), no quota
    has the name, and the region's alone is looked at.
    """
    found = _SIZE.fullmatch(size)
    if found is None:
        return size
    return f"{found[1]}{found[2]}".upper() + (f"v{found[3]}" if found[3] else "")


def region_of(sdk: Any) -> Region:
    """What the region of an ``azureml.core.Workspace`` offers.

    Raises
    ------
    deploy.errors.EngineUnavailable
        Azure does not say.
    """
    from azureml.core.compute import AmlCompute

    with ours(f"sizes in {sdk.location}"):
        sizes = AmlCompute.supported_vmsizes(sdk)
    with ours(f"quotas in {sdk.location}"):
        usages = AmlCompute.list_usages(sdk)
    return Region(str(sdk.location), {str(size["name"]): int(size["vCPUs"]) for size in sizes}, _quotas(usages))


def _quotas(usages: Iterable[Mapping[str, Any]]) -> tuple[Quota, ...]:
    """Limits of the subscription. Rows of single workspaces and clusters repeat them with their own share."""
    found = []
    for usage in usages:
        if "/workspace" in str(usage.get("type")).lower():
            continue
        name = usage.get("name") or {}
        limit = int(usage.get("limit") or 0)
        if limit >= 0:
            found.append(Quota(str(name.get("value")), int(usage.get("currentValue") or 0), limit))
    return tuple(found)


def _folded(name: str) -> str:
    return name.replace(" ", "").casefold()
