"""Cores of a region, from the documents that Azure sends: quotas of a family and of the region."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.azure.capacity import Region, _quotas, family_of


def usage(name: str, used: int, limit: int, kind: str = "vmFamily") -> dict[str, Any]:
    """A row as the REST specification shows it (Microsoft.MachineLearningServices, Usages - List)."""
    return {
        "id": f"/subscriptions/s/usages/{name.replace(' ', '_')}",
        "type": f"Microsoft.MachineLearningServices/{kind}/usages",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": name},
        "unit": "Count",
    }


DSV2 = "Standard DSv2 Family Cluster Dedicated vCPUs"
TOTAL = "Total Cluster Dedicated Regional vCPUs"
ROWS = [
    usage("Clusters", 7, 100, "totalCores"),
    usage(TOTAL, 14, 24, "dedicatedCores"),
    usage(DSV2, 2, 6),
    usage(DSV2, 2, 6, "workspaces"),
    usage(DSV2, 2, 6, "workspaces/computes"),
    usage("Standard NC Family Cluster Dedicated vCPUs", 0, 0),
    usage("Total Cluster LowPriority Regional vCPUs", 18, 50, "lowPriorityCores"),
    usage("Standard DSv2 Family Cluster LowPriority vCPUs", 0, -1),
]


@pytest.fixture
def region() -> Region:
    cores = {
        "standard_ds2_v2": 2,
        "standard_ds3_v2": 4,
        "standard_ds5_v2": 16,
        "standard_nc6": 6,
        "standard_nc6s_v3": 6,
    }
    return Region("westeurope", cores, _quotas(ROWS))


@pytest.mark.parametrize(
    ("size", "family"),
    [
        ("STANDARD_DS2_V2", "DSv2"),
        ("Standard_D4s_v3", "DSv3"),
        ("Standard_D4as_v4", "DASv4"),
        ("Standard_D2_v2", "Dv2"),
        ("Standard_F4s_v2", "FSv2"),
        ("Standard_A2_v2", "Av2"),
        ("Standard_E4-2ds_v5", "EDSv5"),
        ("Standard_NC6", "NC"),
        ("odd", "odd"),
    ],
)
def test_the_family_of_a_size(size: str, family: str) -> None:
    assert family_of(size) == family


def test_a_node_counts_against_family_and_region(region: Region) -> None:
    assert [quota.name for quota in region.quotas_of("STANDARD_DS2_V2")] == [TOTAL, DSV2]
    assert region.room_for("STANDARD_DS2_V2") == 2  # four cores of the family are left
    assert region.room_for("Standard_DS5_v2") == 0
    assert region.room_for("Standard_NC6") == 0  # of ten cores in the region, none is for this family


def test_low_priority_has_quotas_of_its_own(region: Region) -> None:
    assert region.room_for("Standard_DS3_v2", low_priority=True) == 8  # 32 of the region; the family has no limit


def test_what_is_not_known(region: Region) -> None:
    assert region.room_for("Standard_ZZ1") is None
    assert region.room_for("Standard_NC6s_v3") == 1  # its family goes by another name: the region's limit is left
    assert Region("nowhere", region.cores, ()).room_for("Standard_DS2_v2") is None
