"""The front ends before services: time-outs, queues, payloads, ways of asking."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from fakes.hosting.gate import Gate, Overloaded
from fakes.services.scoring.models import Frontends

pytestmark = pytest.mark.azure
JSON = {"Content-Type": "application/json"}
ECHO = """
    import os, time
    def init(): pass
    def run(data):
        if "wait" in data:
            while not os.path.exists({gate!r}):
                time.sleep(0.01)
        return len(data)
"""


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A file: requests that say "wait" wait for it."""
    return tmp_path / "open"


@pytest.fixture
def deploy(workspace: Any, tmp_path: Path, opened: Path, monkeypatch: Any) -> Callable[..., Any]:
    """Deploy the echo, on AKS when settings are given."""
    monkeypatch.chdir(tmp_path)

    def make(**aks: Any) -> Any:
        from azureml.core import Environment, Model
        from azureml.core.compute import AksCompute, ComputeTarget
        from azureml.core.model import InferenceConfig
        from azureml.core.webservice import AciWebservice, AksWebservice

        (tmp_path / "echo.py").write_text(textwrap.dedent(ECHO.format(gate=str(opened))))
        config = InferenceConfig("echo.py", environment=Environment("echo"))
        if aks:
            target = ComputeTarget.create(workspace, "aks", AksCompute.provisioning_configuration())
            target.wait_for_completion()
            configuration = AksWebservice.deploy_configuration(auth_enabled=False, **aks)
            service = Model.deploy(workspace, "echo", [], config, configuration, target)
        else:
            service = Model.deploy(workspace, "echo", [], config, AciWebservice.deploy_configuration())
        service.wait_for_deployment()
        return service

    return make


def post(service: Any, body: str) -> requests.Response:
    return requests.post(service.scoring_uri, body, headers=JSON)


def test_a_slow_answer_is_given_up_in_azures_words(azure: Any, deploy: Any, opened: Path) -> None:
    azure.state.backend(Frontends).aci_timeout_ms = 200
    service = deploy()
    answer = post(service, '"wait"')
    assert answer.status_code == 502 and "Client.Timeout exceeded while awaiting headers" in answer.text
    opened.touch()
    assert post(service, '"x"').status_code == 200


def test_a_kubernetes_service_has_its_own_time_out(deploy: Any, opened: Path) -> None:
    service = deploy(scoring_timeout_ms=200, autoscale_enabled=False, num_replicas=2)
    assert post(service, '"wait"').status_code == 504
    opened.touch()


def test_a_full_queue_answers_503(deploy: Any, opened: Path) -> None:
    service = deploy(autoscale_enabled=False, num_replicas=1, max_request_wait_time=100)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(post(service, '"wait"').status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    # Three cannot be taken: they come back while the first still waits.
    while len(statuses) < 3:
        assert any(thread.is_alive() for thread in threads)
    assert statuses == [503, 503, 503]
    opened.touch()
    for thread in threads:
        thread.join()
    assert statuses == [503, 503, 503, 200]
    assert "Too many requests for service echo (overloaded)" in _overloaded(service, opened)


def _overloaded(service: Any, opened: Path) -> str:
    opened.unlink()
    held = threading.Thread(target=post, args=(service, '"wait"'))
    held.start()
    try:
        while (answer := post(service, '"x"')).status_code != 503:
            assert held.is_alive()
        return answer.text
    finally:
        opened.touch()
        held.join()


def test_a_payload_that_is_too_large(azure: Any, deploy: Any) -> None:
    service = deploy(num_replicas=1, autoscale_enabled=False)
    azure.state.backend(Frontends).max_payload = 100
    assert post(service, f'"{"x" * 98}"').status_code == 200
    assert post(service, f'"{"x" * 99}"').status_code == 413


def test_errors_of_the_script_are_the_containers(deploy: Any) -> None:
    service = deploy()
    answer = requests.post(service.scoring_uri, "[", headers=JSON)
    assert answer.status_code in (200, 400)
    assert requests.options(service.scoring_uri, headers=JSON).status_code == 200
    for method in ("PUT", "PATCH", "DELETE"):
        assert requests.request(method, service.scoring_uri, data="{}", headers=JSON).status_code == 405
    assert requests.get(service.scoring_uri.replace("/score", "/nothing")).status_code == 404
    assert requests.get(service.scoring_uri.replace("/score", "/")).text == "Healthy"


def test_nobody_is_at_an_unknown_address(azure: Any) -> None:
    answer = requests.post("http://nobody.westeurope.azurecontainer.io/score", "{}", headers=JSON)
    assert answer.status_code == 404 and "No service is deployed" in answer.text


def test_autoscaling_takes_more_requests_at_once(azure: Any, deploy: Any, opened: Path) -> None:
    service = deploy(
        autoscale_enabled=True,
        autoscale_min_replicas=1,
        autoscale_max_replicas=4,
        autoscale_refresh_seconds=1,
        max_request_wait_time=30000,
    )
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(post(service, '"wait"').status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    opened.touch()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4


def test_a_gate_counts_and_times_out() -> None:
    gate = Gate(1)
    with gate.slot(0):
        assert gate.busy == 1
        with pytest.raises(Overloaded), gate.slot(0.01):
            pass
        gate.resize(2)
        with gate.slot(0):
            assert gate.load == 1
    assert gate.busy == 0
