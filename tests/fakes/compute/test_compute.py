"""Compute targets, through the SDK."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.azure


def _cluster(workspace: Any, name: str = "cpu-cluster", **options: Any) -> Any:
    from azureml.core.compute import AmlCompute, ComputeTarget

    settings = {"vm_size": "STANDARD_DS2_V2", "max_nodes": 4} | options
    return ComputeTarget.create(workspace, name, AmlCompute.provisioning_configuration(**settings))


def test_a_cluster_is_created_listed_resized_and_deleted(workspace: Any) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget
    from azureml.core.compute_target import ComputeTargetException

    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(workspace, "cpu-cluster")
    cluster = _cluster(workspace, tags={"team": "a"})
    cluster.wait_for_completion(show_output=False)
    assert (cluster.provisioning_state, cluster.vm_size) == ("Succeeded", "STANDARD_DS2_V2")
    assert cluster.get_status().current_node_count == 0
    assert cluster.tags == {"team": "a"}
    assert list(workspace.compute_targets) == ["cpu-cluster"]
    assert type(workspace.compute_targets["cpu-cluster"]) is AmlCompute

    cluster.update(min_nodes=2, idle_seconds_before_scaledown=60)
    cluster.wait_for_completion(show_output=False)
    cluster.refresh_state()
    assert cluster.scale_settings.minimum_node_count == 2
    assert cluster.get_status().current_node_count == 2
    assert [node["nodeState"] for node in cluster.list_nodes()] == ["idle", "idle"]

    cluster.delete()
    cluster.wait_for_completion(show_output=False, is_delete_operation=True)
    assert workspace.compute_targets == {}


def test_a_kubernetes_cluster_is_provisioned_attached_and_detached(workspace: Any) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget

    made = ComputeTarget.create(workspace, "aks-made", AksCompute.provisioning_configuration())
    made.wait_for_completion(show_output=False)
    assert (made.agent_vm_size, made.agent_count, made.is_attached) == ("Standard_D3_v2", 3, False)
    assert made.cluster_fqdn.endswith(".azmk8s.io")
    assert "userKubeConfig" in made.get_credentials()

    configuration = AksCompute.attach_configuration(
        resource_group="elsewhere", cluster_name="shared", cluster_purpose=AksCompute.ClusterPurpose.DEV_TEST
    )
    attached = ComputeTarget.attach(workspace, "aks-attached", configuration)
    attached.wait_for_completion(show_output=False)
    assert attached.is_attached and attached.cluster_resource_id.endswith("/managedClusters/shared")
    attached.detach()
    made.delete()
    assert workspace.compute_targets == {}


def test_a_production_cluster_needs_twelve_cores(workspace: Any) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.core.compute_target import ComputeTargetException

    small = AksCompute.provisioning_configuration(agent_count=1)
    with pytest.raises(ComputeTargetException, match="at least 12 virtual CPUs"):
        ComputeTarget.create(workspace, "aks", small)
    small = AksCompute.provisioning_configuration(agent_count=1, cluster_purpose="DevTest")
    ComputeTarget.create(workspace, "aks", small).wait_for_completion(show_output=False)


def test_the_quota_is_kept(azure: Any, workspace: Any) -> None:
    from azureml.core.compute_target import ComputeTargetException

    from fakes.services.compute.models import Computes

    azure.state.backend(Computes).quota = 4
    _cluster(workspace, "first", min_nodes=2).wait_for_completion(show_output=False)
    with pytest.raises(ComputeTargetException, match="total vCPU quota of 4 and cannot accomodate"):
        _cluster(workspace, "second")
    assert list(workspace.compute_targets) == ["first"]


def test_a_failing_creation_says_why(azure: Any, workspace: Any) -> None:
    from azureml.core.compute_target import ComputeTargetException

    azure.state.transitions.set("compute", failure={"code": "ClusterCoreQuotaReached", "message": "no cores left"})
    cluster = _cluster(workspace)
    with pytest.raises(ComputeTargetException, match="no cores left"):
        cluster.wait_for_completion(show_output=False)
    assert cluster.provisioning_state == "Failed"
    assert "ClusterCoreQuotaReached" in str(cluster.provisioning_errors)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"vm_size": "STANDARD_NONE"}, "STANDARD_NONE"), ({"vm_priority": "cheap"}, "vmPriority")],
)
def test_what_azure_does_not_have_is_refused(workspace: Any, options: dict[str, Any], message: str) -> None:
    from azureml.core.compute_target import ComputeTargetException

    with pytest.raises(ComputeTargetException, match=message):
        _cluster(workspace, **options)


def test_an_unchanged_update_starts_no_operation(workspace: Any) -> None:
    cluster = _cluster(workspace)
    cluster.wait_for_completion(show_output=False)
    cluster.update(max_nodes=4)
    assert cluster.get_status().provisioning_state == "Succeeded"


def test_sizes_and_usage_of_a_region(workspace: Any) -> None:
    from azureml.core.compute import AmlCompute

    _cluster(workspace, min_nodes=1).wait_for_completion(show_output=False)
    sizes = {size["name"]: size["vCPUs"] for size in AmlCompute.supported_vmsizes(workspace)}
    assert sizes["Standard_DS2_v2"] == 2


def test_usages_name_each_family_and_with_its_children_each_cluster(azure: Any, workspace: Any) -> None:
    from azureml.core.compute import AmlCompute

    from fakes.services.compute.models import Computes

    azure.state.backend(Computes).family_quota["DSv2"] = 6
    _cluster(workspace, "a", min_nodes=1).wait_for_completion(show_output=False)
    _cluster(workspace, "b", min_nodes=1, vm_priority="lowpriority").wait_for_completion(show_output=False)
    rows = {row["name"]["value"]: (row["currentValue"], row["limit"]) for row in AmlCompute.list_usages(workspace)}
    assert rows["Clusters"] == (2, 200)
    assert rows["Total Cluster Dedicated Regional vCPUs"] == (2, 100)
    assert rows["Standard DSv2 Family Cluster Dedicated vCPUs"] == (2, 6)
    assert rows["Standard Dv2 Family Cluster Dedicated vCPUs"] == (0, 100)
    assert rows["Standard DSv2 Family Cluster LowPriority vCPUs"] == (2, -1)
    children = [row["id"] for row in AmlCompute.list_usages(workspace, show_all=True) if "/workspaces" in row["type"]]
    own = azure.state.workspace().arm_id
    name = "usages/Standard_DSv2_Family_Cluster"
    assert children == [
        f"{own}/{name}_Dedicated_vCPUs",
        f"{own}/computes/a/{name}_Dedicated_vCPUs",
        f"{own}/{name}_LowPriority_vCPUs",
        f"{own}/computes/b/{name}_LowPriority_vCPUs",
    ]


def test_the_quota_of_a_family_is_kept(azure: Any, workspace: Any) -> None:
    from azureml.core.compute_target import ComputeTargetException

    from fakes.services.compute.models import Computes

    azure.state.backend(Computes).family_quota["DSv2"] = 2
    first = _cluster(workspace, "first", min_nodes=1)
    first.wait_for_completion(show_output=False)
    first.update(min_nodes=1, idle_seconds_before_scaledown=60)
    first.wait_for_completion(show_output=False)
    with pytest.raises(ComputeTargetException, match="standardDSv2Family vCPU quota of 2"):
        _cluster(workspace, "second")
    _cluster(workspace, "third", vm_size="STANDARD_D2_V2").wait_for_completion(show_output=False)


def test_arm_reads_a_target_too(azure: Any, workspace: Any, auth: dict[str, str]) -> None:
    import requests

    _cluster(workspace).wait_for_completion(show_output=False)
    arm_id = azure.state.workspace().arm_id
    url = f"https://management.azure.com{arm_id}/computes/cpu-cluster?api-version=2020-02-02"
    answer = requests.get(url, headers=auth)
    assert answer.json()["properties"]["provisioningState"] == "Succeeded"


def test_deleting_what_is_not_there_is_404(azure: Any, auth: dict[str, str]) -> None:
    import requests

    url = f"https://management.azure.com{azure.state.workspace().arm_id}/computes/none?api-version=2020-02-02"
    for method in ("DELETE", "GET"):
        answer = requests.request(method, url, headers=auth)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ComputeNotFound")


def test_another_type_under_the_same_name_is_a_conflict(workspace: Any) -> None:
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.core.compute_target import ComputeTargetException

    _cluster(workspace).wait_for_completion(show_output=False)
    with pytest.raises(ComputeTargetException, match="of type AmlCompute"):
        ComputeTarget.create(workspace, "cpu-cluster", AksCompute.provisioning_configuration())


def test_a_cluster_that_is_created_again_keeps_its_machines(workspace: Any) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    def create(size: str, nodes: int) -> Any:
        configuration = AmlCompute.provisioning_configuration(vm_size=size, max_nodes=nodes)
        target = ComputeTarget.create(workspace, "again", configuration)
        target.wait_for_completion()
        return target

    create("STANDARD_D2_V2", 1)
    again = create("STANDARD_D3_V2", 2)
    assert (again.vm_size, again.scale_settings.maximum_node_count) == ("STANDARD_D2_V2", 2)
