"""Services on Azure Kubernetes Service, through the SDK."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure
Make = Callable[..., Any]
BODY = json.dumps({"data": [[1.0], [3.0]]})


def test_a_service_with_defaults_has_keys_and_scales_itself(workspace: Any, deploy_aks: Make) -> None:
    service = deploy_aks()
    assert (service.compute_type, service.compute_name, service.state) == ("AKS", "my-aks", "Healthy")
    assert (service.auth_enabled, service.token_auth_enabled) == (True, False)
    assert (service.autoscaler.autoscale_enabled, service.autoscaler.min_replicas, service.autoscaler.max_replicas) == (
        True,
        1,
        10,
    )
    assert (service.scoring_timeout_ms, service.max_request_wait_time) == (60000, 500)
    assert service.scoring_uri.endswith("/api/v1/service/on-aks/score")
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])
    assert requests.post(service.scoring_uri, BODY).status_code == 401
    service.delete()
    assert workspace.webservices == {}


def test_autoscaling_and_resources_are_updated_in_place(workspace: Any, deploy_aks: Make) -> None:
    from azureml.core import Webservice

    service = deploy_aks(autoscale_enabled=True, autoscale_min_replicas=1, autoscale_max_replicas=3)
    service.update(
        autoscale_enabled=True, autoscale_max_replicas=5, cpu_cores=0.5, scoring_timeout_ms=1000, tags={"t": "1"}
    )
    read = Webservice(workspace, "on-aks")
    assert (read.autoscaler.max_replicas, read.autoscaler.min_replicas) == (5, 1)
    assert (read.container_resource_requirements.cpu, read.scoring_timeout_ms, read.tags) == (0.5, 1000, {"t": "1"})
    service.update(autoscale_enabled=False, num_replicas=2)
    read.update_deployment_state()
    assert (read.autoscaler.autoscale_enabled, read.num_replicas) == (False, 2)
    assert read.deployment_status["availableReplicas"] == 2


def test_tokens_open_a_service_that_has_no_keys(azure: Any, deploy_aks: Make) -> None:
    from azureml.exceptions import WebserviceException

    service = deploy_aks(token_auth_enabled=True, auth_enabled=False)
    other = deploy_aks("other", token_auth_enabled=True, auth_enabled=False)
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])
    with pytest.raises(WebserviceException, match="Key authentication is not enabled"):
        service.get_keys()

    def status(token: str) -> int:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        return requests.post(service.scoring_uri, BODY, headers=headers).status_code

    token = service.get_access_token().access_token
    assert [status(t) for t in (token, other.get_access_token().access_token, "no")] == [200, 401, 401]
    azure.state.clock.advance(25 * 3600)
    assert status(token) == 401


def test_a_failed_update_leaves_the_old_replicas_serving(deploy_aks: Make, inference: Make) -> None:
    from azureml.exceptions import WebserviceException

    service = deploy_aks()
    broken = inference("def init(): raise RuntimeError('broken')\ndef run(d): return d\n", "broken")
    service.update(inference_config=broken)
    with pytest.raises(WebserviceException, match="KubernetesDeploymentFailed"):
        service.wait_for_deployment()
    assert service.state == "Failed"
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])


def test_an_update_interrupts_nobody(register: Make, deploy_aks: Make, inference: Make) -> None:
    """Every request during an update is answered, by the old model or by the new one."""
    service = deploy_aks(models=[register(2.0)], autoscale_enabled=False, num_replicas=8, max_request_wait_time=20000)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {service.get_keys()[0]}"}
    results: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = requests.post(service.scoring_uri, BODY, headers=headers)
            results.append((answer.status_code, round(answer.json()["result"][0]) if answer.ok else answer.text))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        service.update(models=[register(9.0)], inference_config=inference())
        service.wait_for_deployment()
        assert round(service.run(BODY)["result"][0]) == 9
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(results) <= {(200, 2), (200, 9)}
    assert (200, 2) in results


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scoring_timeout_ms": 300001}, "300000"),
        ({"namespace": None, "autoscale_enabled": True, "autoscale_target_utilization": 101}, "targetUtilization"),
    ],
)
def test_settings_that_azure_does_not_take(deploy_aks: Make, options: dict[str, Any], message: str) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match=message):
        deploy_aks(**options)


def test_a_service_needs_a_cluster_that_is_there(workspace: Any, register: Make, inference: Make) -> None:
    from azureml.core import Model
    from azureml.core.webservice import AksWebservice
    from azureml.exceptions import WebserviceException

    configuration = AksWebservice.deploy_configuration(compute_target_name="nowhere")
    with pytest.raises(WebserviceException, match="nowhere not found"):
        Model.deploy(workspace, "svc", [register()], inference(), configuration)


def _endpoint(workspace: Any, cluster: Any, model: Any, config: Any, **options: Any) -> Any:
    from azureml.core import Model
    from azureml.core.webservice import AksEndpoint

    configuration = AksEndpoint.deploy_configuration(**({"version_name": "blue", "traffic_percentile": 20} | options))
    endpoint = Model.deploy(workspace, "my-endpoint", [model], config, configuration, cluster)
    endpoint.wait_for_deployment()
    return endpoint


def test_versions_of_an_endpoint_share_its_traffic(
    workspace: Any, cluster: Any, register: Make, inference: Make
) -> None:
    from azureml.core import Webservice

    endpoint = _endpoint(workspace, cluster, register(2.0), inference())
    blue = endpoint.versions["blue"]
    assert (blue.traffic_percentile, blue.is_default, blue.version_type) == (20, True, "Treatment")
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.get_keys()[0]}"}

    def shares(count: int) -> Counter[int]:
        found: Counter[int] = Counter()
        for _ in range(count):
            answer = requests.post(endpoint.scoring_uri, BODY, headers=headers)
            found[round(answer.json()["result"][0])] += 1
        return found

    # What no share claims goes to the default version.
    assert shares(10) == {2: 10}
    endpoint.create_version(
        "green", models=[register(5.0)], inference_config=inference(), traffic_percentile=50, tags={"c": "green"}
    )
    endpoint.wait_for_deployment()
    both = shares(60)
    assert set(both) == {2, 5} and 15 <= both[5] <= 45
    endpoint.update_version("green", traffic_percentile=100 - 20, is_default=True, is_control_version_type=True)
    endpoint.update_version("blue", traffic_percentile=0)
    assert shares(20) == {5: 20}
    read = Webservice(workspace, "my-endpoint")
    assert (read.versions["green"].is_default, read.versions["blue"].is_default) == (True, False)
    assert read.versions["green"].version_type == "Control"
    assert read.versions["green"].tags == {"c": "green"}
    endpoint.delete_version("blue")
    endpoint.wait_for_deployment()
    assert list(Webservice(workspace, "my-endpoint").versions) == ["green"]
    endpoint.delete()
    assert workspace.webservices == {}


def test_shares_of_an_endpoint_add_to_at_most_a_hundred(
    workspace: Any, cluster: Any, register: Make, inference: Make
) -> None:
    from azureml.exceptions import WebserviceException

    endpoint = _endpoint(workspace, cluster, register(), inference(), traffic_percentile=60)
    with pytest.raises(WebserviceException, match="add to more than 100"):
        endpoint.create_version("green", models=[register()], inference_config=inference(), traffic_percentile=50)
    endpoint.update_deployment_state()
    assert list(endpoint.versions) == ["blue"]


def test_a_broken_version_leaves_the_others_serving(
    workspace: Any, cluster: Any, register: Make, inference: Make
) -> None:
    from azureml.exceptions import WebserviceException

    endpoint = _endpoint(workspace, cluster, register(2.0), inference(), traffic_percentile=100)
    broken = inference("def init(): raise RuntimeError('broken')\ndef run(d): return d\n", "broken")
    endpoint.create_version("green", models=[register()], inference_config=broken)
    with pytest.raises(WebserviceException, match="KubernetesDeploymentFailed"):
        endpoint.wait_for_deployment()
    endpoint.update_deployment_state()
    assert endpoint.versions["green"].state == "Failed" and endpoint.versions["blue"].state == "Healthy"
    assert endpoint.run(BODY)["result"] == pytest.approx([2.0, 6.0])


def test_a_leaf_domain_makes_the_address_https(workspace: Any, here: Path, register: Make, inference: Make) -> None:
    from azureml.core import Model
    from azureml.core.compute import AksCompute, ComputeTarget
    from azureml.core.webservice import AksWebservice

    configuration = AksCompute.provisioning_configuration()
    configuration.enable_ssl(leaf_domain_label="contoso")
    target = ComputeTarget.create(workspace, "ssl", configuration)
    target.wait_for_completion()
    service = Model.deploy(workspace, "svc", [register()], inference(), AksWebservice.deploy_configuration(), target)
    service.wait_for_deployment()
    assert service.scoring_uri.startswith("https://contoso") and ".cloudapp.azure.com/" in service.scoring_uri
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])
