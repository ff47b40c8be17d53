"""What ``mlops doctor`` makes of Azure's answers: each finding, and what it tells a person to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.azure.capacity import Quota, Region
from mlops import azure_checks
from mlops.azure_checks import aks_check, clock_check, quota_check, region_check, sdk_checks

FAMILY, TOTAL = "Standard DSv2 Family Cluster Dedicated vCPUs", "Total Cluster Dedicated Regional vCPUs"
CORES = {"Standard_DS2_v2": 2, "Standard_DS3_v2": 4}
SETTINGS: dict[str, Any] = {
    "azure.compute_sku": "STANDARD_DS2_V2",
    "azure.compute_min": 0,
    "azure.compute_max": 4,
    "services.cpu": 1.0,
    "services.replicas_min": 1,
    "services.replicas_max": 3,
}


def region(family: int, total: int = 100, used: int = 0) -> Region:
    return Region("westeurope", CORES, (Quota(FAMILY, used, family), Quota(TOTAL, used, total)))


def cluster(**more: Any) -> Any:
    scale = SimpleNamespace(maximum_node_count=4, minimum_node_count=0)
    values = {
        "name": "train",
        "vm_size": "STANDARD_DS2_V2",
        "vm_priority": "dedicated",
        "scale_settings": scale,
        **more,
    }
    status = SimpleNamespace(current_node_count=values.pop("nodes", 0))
    return SimpleNamespace(**values, get_status=lambda: status)


@pytest.mark.parametrize(
    ("where", "state", "words"),
    [
        (region(8), "ok", "4 of 4 nodes of STANDARD_DS2_V2 (2 cores each) can run"),
        (region(6), "note", "3 of 4 nodes"),
        (
            region(100, total=1),
            "missing",
            f"0 of 4 nodes of STANDARD_DS2_V2 (2 cores each) can run. {FAMILY}: 0 of 100",
        ),
        (Region("nowhere", {"Standard_D1_v2": 1}, ()), "missing", "STANDARD_DS2_V2 is not to be had in nowhere"),
        (Region("quiet", CORES, ()), "note", "Azure names no limit"),
    ],
)
def test_cores_for_a_cluster_that_is_not_there_yet(where: Region, state: str, words: str) -> None:
    found = quota_check(where, SETTINGS, None)  # type: ignore[arg-type]
    assert (found.name, found.state) == ("quota", state)
    assert words in found.detail
    assert bool(found.mend) == (state != "ok" and "names no limit" not in found.detail)


def test_nodes_that_run_already_are_not_asked_for_again() -> None:
    full = region(4, used=4)
    assert quota_check(full, SETTINGS, cluster()).state == "missing"  # type: ignore[arg-type]
    found = quota_check(full, SETTINGS, cluster(nodes=2))  # type: ignore[arg-type]
    assert (found.state, found.detail.split(".")[0]) == (
        "note",
        "2 of 4 nodes of STANDARD_DS2_V2 (2 cores each) can run",
    )


def test_the_fewest_nodes_must_fit() -> None:
    found = quota_check(region(4), {**SETTINGS, "azure.compute_min": 3}, None)  # type: ignore[arg-type]
    assert found.state == "missing"


class ComputeInstance:
    name = "mine"


class KubernetesCompute:
    name = "kube"


@pytest.mark.parametrize("kind", [ComputeInstance, KubernetesCompute])
def test_compute_that_is_no_cluster_is_named(kind: type) -> None:
    found = quota_check(region(8), SETTINGS, kind())  # type: ignore[arg-type]
    assert (found.name, found.state) == ("quota", "note")
    assert f"{kind.name} is a {kind.__name__}" in found.detail  # type: ignore[attr-defined]
    assert "AML_COMPUTE_CLUSTER_NAME" in found.mend


def test_a_cluster_that_tells_no_scale() -> None:
    found = quota_check(region(8), SETTINGS, cluster(scale_settings=None))  # type: ignore[arg-type]
    assert (found.state, "does not say how many nodes" in found.detail) == ("note", True)
    assert found.mend


def test_kubernetes_that_is_no_aks_cluster_of_the_sdk() -> None:
    settings = {**SETTINGS, "azure.aks_resource_id": ""}
    found = aks_check(region(8), settings, KubernetesCompute())  # type: ignore[arg-type]
    assert (found.name, found.state) == ("AKS cores", "note")
    assert "kube is a KubernetesCompute" in found.detail
    assert "AKS_COMPUTE_NAME" in found.mend


def test_looking_at_a_cluster_prints_nothing_and_fails_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    import requests

    train = cluster()
    train.get_status = lambda: print("AmlCompute is getting created.")
    assert quota_check(region(8), SETTINGS, train).state == "ok"  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""

    def reset() -> None:
        raise requests.ConnectionError("connection reset by peer")

    train.get_status = reset
    found = quota_check(region(8), SETTINGS, train)  # type: ignore[arg-type]
    assert found.state == "note"
    assert "nodes of train" in found.detail
    assert found.mend


@pytest.mark.parametrize(
    ("count", "settings", "state"),
    [
        (1, {}, "ok"),
        (1, {"services.replicas_max": 9}, "note"),
        (1, {"services.replicas_min": 3}, "missing"),
        (None, {}, "note"),
    ],
)
def test_cores_of_the_kubernetes_cluster(count: int | None, settings: dict[str, Any], state: str) -> None:
    aks = SimpleNamespace(name="aks", agent_count=count, agent_vm_size="Standard_DS3_v2")
    assert aks_check(region(8), {**SETTINGS, **settings}, aks).state == state  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [(2.0, "ok", "2 s ahead"), (-299.0, "ok", "299 s behind"), (-301.0, "missing", "301 s behind"), (None, "note", "")],
)
def test_the_clock(monkeypatch: pytest.MonkeyPatch, seconds: float | None, state: str, words: str) -> None:
    monkeypatch.setattr("registry.azure.clock.ahead", lambda: seconds)
    found = clock_check()
    assert (found.name, found.state) == ("clock", state)
    assert words in found.detail


def test_regions_are_compared_as_people_write_them() -> None:
    assert region_check("westeurope", "West Europe").state == "ok"
    assert region_check("westeurope", "").state == "ok"
    assert region_check("westeurope", "northeurope").state == "note"


def test_versions_are_those_of_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_checks.metadata, "version", lambda name: "1.61.0.post4")
    assert {check.state for check in sdk_checks(tmp_path)} == {"ok"}  # no lock here: nothing to compare with
    locks = tmp_path / "requirements" / "locks"
    locks.mkdir(parents=True)
    for minor in range(10, 14):
        (locks / f"azure-3.{minor}.txt").write_text("azureml-core[x]==1.62.0 \\\n    --hash=sha256:0\nother==1\n")
    first, *others = sdk_checks(tmp_path)
    assert (first.state, first.mend) == ("note", "make azure")
    assert "1.61.0.post4; the tests ran with 1.62.0" in first.detail
    assert {check.state for check in others} == {"ok"}
