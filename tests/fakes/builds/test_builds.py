"""Environment images, through the SDK."""

from __future__ import annotations

from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure


@pytest.fixture
def environment() -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    made = Environment("my env")
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["pandas==2.2.0"])
    return made


def test_an_environment_is_built_with_a_log(azure: Any, workspace: Any, environment: Any) -> None:
    registered = environment.register(workspace)
    before = registered.get_image_details(workspace)
    assert before["imageExistsInRegistry"] is False
    build = registered.build(workspace)
    build.wait_for_completion(show_output=False)
    assert build.status == "Succeeded"
    assert "pandas==2.2.0" in build.get_log() and "Successfully tagged" in build.get_log()
    after = registered.get_image_details(workspace)
    assert after["imageExistsInRegistry"] is True
    assert after["dockerImage"]["name"] == before["dockerImage"]["name"]
    assert after["dockerImage"]["registry"]["address"] == f"{azure.state.workspace().container_registry}.azurecr.io"


def test_an_environment_is_built_on_compute(workspace: Any, environment: Any) -> None:
    from azureml.core.compute import AmlCompute, ComputeTarget

    target = ComputeTarget.create(
        workspace, "cpu", AmlCompute.provisioning_configuration("STANDARD_DS2_V2", max_nodes=1)
    )
    target.wait_for_completion()
    assert environment.build(workspace, image_build_compute="cpu").status == "Succeeded"
    with pytest.raises(Exception, match="none not found"):
        environment.build(workspace, image_build_compute="none")


def test_a_failing_build_is_seen_in_state_and_log(azure: Any, workspace: Any, environment: Any) -> None:
    azure.state.transitions.set("environment", failure={"code": "BuildFailed", "message": "no matching distribution"})
    build = environment.build(workspace)
    assert build.status == "Failed"
    assert "no matching distribution" in build.get_log()


def test_what_is_not_there(azure: Any, auth: dict[str, str], workspace: Any, environment: Any) -> None:
    made = environment.register(workspace)
    ws = azure.state.workspace()
    base = f"https://{ws.api_host}/environment/v2.0{ws.arm_id}/environments"
    assert requests.post(f"{base}/none/versions/1/image", json={}, headers=auth).status_code == 404
    assert requests.get(f"{base}/my%20env/versions/{made.version}/image/none", headers=auth).status_code == 400
    old = f"https://{ws.api_host}/environment/v1.0{ws.arm_id}/environments/my%20env/image"
    assert requests.get(old, headers=auth).json()["dockerImage"]["name"].startswith("azureml/azureml_")
