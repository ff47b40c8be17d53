"""What breaks in Azure breaks here, with the same words."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from fakes.services.webservices.models import Webservices

pytestmark = pytest.mark.azure
Make = Callable[..., Any]
BODY = json.dumps({"data": [[1.0]]})


def eventually(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


TAIL = "\ndef run(data): return data\n"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("def init(): raise ValueError('no weights')", "ValueError: no weights"),
        ("import no_such_package\ndef init(): pass", "ModuleNotFoundError: No module named 'no_such_package'"),
        (
            "import os\ndef init(): open(os.path.join('x', 'model.pkl'))",
            "FileNotFoundError: [Errno 2] No such file or directory: 'x/model.pkl'",
        ),
        ("def init(): pass\nthis is no python", None),
    ],
)
def test_a_broken_script_fails_the_deployment_with_its_cause(
    deploy: Make, inference: Make, script: str, cause: str | None
) -> None:
    from azureml.exceptions import WebserviceException

    if cause is None:
        # The SDK itself refuses what does not parse; nothing is sent.
        with pytest.raises(Exception, match="invalid syntax"):
            deploy(config=inference(script + TAIL))
        return
    service = deploy(config=inference(script + TAIL), wait=False)
    with pytest.raises(WebserviceException) as raised:
        service.wait_for_deployment()
    message = str(raised.value)
    assert "current service state: Failed" in message and "More information can be found using '.get_logs()'" in message
    assert '"code": "AciDeploymentFailed"' in message and '"code": "CrashLoopBackOff"' in message
    assert f"Error in entry script, {cause}, please run print(service.get_logs())" in message
    assert service.state == "Failed" and service.error["statusCode"] == 400
    assert service.scoring_uri is None
    with pytest.raises(WebserviceException, match="scoring_uri unavailable"):
        service.run(BODY)
    assert cause.partition(":")[0] in service.get_logs()


def test_a_package_that_the_environment_does_not_declare_is_not_found(
    azure: Any, deploy: Make, inference: Make
) -> None:
    """Although it is installed where the fake runs: in Azure it is not there."""
    from azureml.exceptions import WebserviceException

    script = "import pluggy\ndef init(): pass\ndef run(data): return 'fine'\n"
    service = deploy(config=inference(script), wait=False)
    cause = "Error in entry script, ModuleNotFoundError: No module named 'pluggy'"
    with pytest.raises(WebserviceException, match=cause):
        service.wait_for_deployment()
    assert "the module pluggy is installed here, but no package that the environment declares" in service.get_logs()
    declared = inference(script, packages=["pluggy==0.1"])
    service = deploy(config=declared, overwrite=True)
    assert service.run("{}") == "fine"
    assert "The environment has pluggy 0.1, the fake runs with" in service.get_logs(init=True)
    azure.state.backend(Webservices).check_packages = False
    assert deploy("other", config=inference(script)).run("{}") == "fine"


def test_an_environment_without_a_server_is_a_container_that_does_not_start(
    azure: Any, deploy: Make, inference: Make
) -> None:
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.exceptions import WebserviceException

    from fakes.services.webservices.models import Webservices

    config = inference("def init(): pass" + TAIL)
    config.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["pluggy"])
    service = deploy(config=config, wait=False)
    with pytest.raises(WebserviceException, match="Your container application crashed"):
        service.wait_for_deployment()
    assert (service.state, service.scoring_uri) == ("Failed", None)
    log = service.get_logs()
    assert "exec: gunicorn: not found" in log
    assert "fakes: the environment declares neither azureml-defaults nor" in log
    azure.state.backend(Webservices).check_packages = False
    assert deploy(config=config, overwrite=True).state == "Healthy"


def test_a_crash_without_a_cause_names_the_image(deploy: Make, inference: Make) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(
        WebserviceException, match=r"Your container application crashed.*\.azurecr\.io/azureml/azureml_"
    ):
        deploy(config=inference("import os\ndef init(): os._exit(139)" + TAIL))


def test_a_failed_service_is_mended_by_deploying_again(deploy: Make, inference: Make) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException):
        deploy(config=inference("def init(): raise ValueError('x')" + TAIL))
    assert deploy(overwrite=True).run(BODY)["result"] == pytest.approx([2.0])


def test_a_slow_start_times_out_and_becomes_healthy_later(
    azure: Any, here: Path, deploy: Make, inference: Make
) -> None:
    from azureml.exceptions import WebserviceException

    azure.state.backend(Webservices).start_timeout = 0.5
    go = here / "go"
    script = f"""
        import os, time
        def init():
            while not os.path.exists({str(go)!r}):
                time.sleep(0.01)
        def run(data):
            return "late"
    """
    service = deploy(config=inference(script), wait=False)
    with pytest.raises(WebserviceException) as raised:
        service.wait_for_deployment()
    assert "current service state: Unhealthy" in str(raised.value) and "DeploymentTimedOut" in str(raised.value)
    assert "The deployment operation polling has TimedOut" in str(raised.value)
    assert service.error["statusCode"] == 504
    go.touch()
    eventually(lambda: service.update_deployment_state() or service.state == "Healthy")
    assert service.run("{}") == "late"


def test_a_container_that_dies_while_it_serves_is_started_again(azure: Any, deploy: Make, inference: Make) -> None:
    script = """
        import os
        def init(): pass
        def run(data):
            if "die" in data:
                os._exit(9)
            return os.getpid()
    """
    service = deploy(config=inference(script))
    headers = {"Content-Type": "application/json"}
    first = service.run("{}")
    answer = requests.post(service.scoring_uri, '"die"', headers=headers)
    assert answer.status_code in (500, 502)
    eventually(lambda: requests.post(service.scoring_uri, "{}", headers=headers).status_code == 200)
    assert service.run("{}") != first


def test_a_crash_under_load_is_told_to_every_caller_and_mended_once(
    azure: Any, here: Path, deploy: Make, inference: Make
) -> None:
    """Killed while eight requests are in it, as a container is that takes too much memory."""
    go = here / "go"
    script = f"""
        import os, time
        def init(): pass
        def run(data):
            while "wait" in data and not os.path.exists({str(go)!r}):
                time.sleep(0.01)
            return "done"
    """
    service = deploy(config=inference(script))
    headers = {"Content-Type": "application/json"}
    (running,) = azure.state.backend(Webservices).runtime._running.values()

    def ask(number: int) -> tuple[int, str]:
        answer = requests.post(service.scoring_uri, '"wait"', headers=headers)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        eventually(lambda: running.gate.busy == 8)
        os.killpg(running.host.pid, signal.SIGKILL)
        answers = [future.result() for future in asked]
    assert {status for status, _ in answers} <= {502, 503} and any(status == 502 for status, _ in answers)
    said = {502: "Replica closed connection before replying", 503: "No ready replicas for service my-service"}
    assert all(said[status] in text for status, text in answers), answers
    go.touch()
    eventually(lambda: requests.post(service.scoring_uri, "{}", headers=headers).status_code == 200)
    with ThreadPoolExecutor(8) as pool:
        assert {future.result()[0] for future in [pool.submit(ask, n) for n in range(8)]} == {200}
    assert running.restarts == 1, "eight callers, one restart"
    eventually(lambda: service.update_deployment_state() or service.state == "Healthy")


def test_every_stage_can_be_made_to_fail(azure: Any, deploy: Make) -> None:
    from azureml.exceptions import WebserviceException

    azure.state.transitions.set("service", failure={"code": "ResourcesNotAvailable", "message": "no room in region"})
    with pytest.raises(WebserviceException, match="no room in region"):
        deploy()


def test_a_model_that_is_not_registered(azure: Any, auth: dict[str, str]) -> None:
    workspace = azure.state.workspace()
    base = f"https://{workspace.api_host}/modelmanagement/v1.0{workspace.arm_id}"
    body = {
        "name": "svc",
        "computeType": "ACI",
        "environmentImageRequest": {"modelIds": ["ghost:1"], "assets": [{}], "environment": {}},
    }
    answer = requests.post(f"{base}/services", json=body, headers=auth)
    assert (answer.status_code, answer.json()["details"][0]["code"]) == (400, "ModelNotFound")
    assert "ghost:1" in answer.json()["details"][0]["message"]


def test_nothing_is_left_behind(azure: Any, deploy: Make) -> None:
    service = deploy()
    backend = azure.state.backend(Webservices)
    live = azure.state.background.children()
    assert live
    service.delete()
    assert azure.state.background.children() == []
    assert backend.runtime._running == {}


def test_an_exported_service_serves_after_an_import(azure: Any, deploy: Make) -> None:
    service = deploy(auth_enabled=True)
    keys = service.get_keys()
    document = json.loads(json.dumps(azure.state.export()))
    azure.state.load(document)
    backend = azure.state.backend(Webservices)
    operation = next(iter(backend.items.values()))["my-service"].operation
    azure.state.operations.poll(operation)
    assert service.get_keys() == keys
    assert service.run(BODY)["result"] == pytest.approx([2.0])
