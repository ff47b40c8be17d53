"""Virtual machine sizes that clusters may have, and their cores.

Source: the size tables of Microsoft's "Sizes for virtual machines in Azure" pages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """One size: cores, memory in GB, local disk in MB, GPUs, and the family that quotas count it in."""

    name: str
    family: str
    cores: int
    memory_gb: float
    disk_mb: int = 0
    gpus: int = 0

    @property
    def quota(self) -> str:
        """The family as names of quotas write it, such as ``DSv2``."""
        return self.family.removeprefix("standard").removesuffix("Family")

    def wire(self) -> dict[str, object]:
        """Return the size as ``vmSizes`` lists it."""
        return {
            "name": self.name,
            "family": self.family,
            "vCPUs": self.cores,
            "gpus": self.gpus,
            "osVhdSizeMB": 1047552,
            "maxResourceVolumeMB": self.disk_mb,
            "memoryGB": self.memory_gb,
            "lowPriorityCapable": True,
            "premiumIO": True,
        }


_TABLE = [
    Size("Standard_A2_v2", "standardAv2Family", 2, 4, 20480),
    Size("Standard_B2s", "standardBSFamily", 2, 4, 8192),
    Size("Standard_D1_v2", "standardDv2Family", 1, 3.5, 51200),
    Size("Standard_D2_v2", "standardDv2Family", 2, 7, 102400),
    Size("Standard_D3_v2", "standardDv2Family", 4, 14, 204800),
    Size("Standard_D4_v2", "standardDv2Family", 8, 28, 409600),
    Size("Standard_D11_v2", "standardDv2Family", 2, 14, 102400),
    Size("Standard_D12_v2", "standardDv2Family", 4, 28, 204800),
    Size("Standard_DS1_v2", "standardDSv2Family", 1, 3.5, 7168),
    Size("Standard_DS2_v2", "standardDSv2Family", 2, 7, 14336),
    Size("Standard_DS3_v2", "standardDSv2Family", 4, 14, 28672),
    Size("Standard_DS4_v2", "standardDSv2Family", 8, 28, 57344),
    Size("Standard_DS5_v2", "standardDSv2Family", 16, 56, 114688),
    Size("Standard_DS11_v2", "standardDSv2Family", 2, 14, 28672),
    Size("Standard_DS12_v2", "standardDSv2Family", 4, 28, 57344),
    Size("Standard_D2_v3", "standardDv3Family", 2, 8, 51200),
    Size("Standard_D4_v3", "standardDv3Family", 4, 16, 102400),
    Size("Standard_D2s_v3", "standardDSv3Family", 2, 8, 16384),
    Size("Standard_D4s_v3", "standardDSv3Family", 4, 16, 32768),
    Size("Standard_D8s_v3", "standardDSv3Family", 8, 32, 65536),
    Size("Standard_E4s_v3", "standardESv3Family", 4, 32, 65536),
    Size("Standard_F2s_v2", "standardFSv2Family", 2, 4, 16384),
    Size("Standard_F4s_v2", "standardFSv2Family", 4, 8, 32768),
    Size("Standard_NC6", "standardNCFamily", 6, 56, 389120, 1),
    Size("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, 753664, 1),
]
SIZES = {size.name.casefold(): size for size in _TABLE}
FAMILIES = tuple(dict.fromkeys(size.quota for size in _TABLE))
"""The families that quotas are counted in, as their names say it: ``DSv2``."""


def size_of(name: str) -> Size | None:
    """Return the size called `name` (in any case), or ``None``."""
    return SIZES.get(name.casefold())
