"""Services on Azure Container Instances, through the SDK: they really score."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure
Make = Callable[..., Any]
SKLEARN_SCORE = """
    import json, os
    import joblib, numpy

    def init():
        global model
        model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))

    def run(data):
        return {"result": model.predict(numpy.array(json.loads(data)["data"])).tolist()}
"""
BODY = json.dumps({"data": [[1.0], [3.0]]})


def test_a_model_is_deployed_and_predicts(workspace: Any, deploy: Make) -> None:
    service = deploy(tags={"stage": "qa"}, description="a line")
    assert (service.state, service.compute_type, service.auth_enabled) == ("Healthy", "ACI", False)
    assert service.run(BODY) == {"result": pytest.approx([2.0, 6.0])}
    answer = requests.post(service.scoring_uri, BODY, headers={"Content-Type": "application/json"})
    assert answer.json()["result"] == pytest.approx([2.0, 6.0])
    assert service.scoring_uri.endswith(".azurecontainer.io/score")
    swagger = requests.get(service.swagger_uri).json()
    assert swagger["paths"]
    assert service.tags == {"stage": "qa"} and service.description == "a line"
    assert [m.id for m in service.models] == ["line:1"]
    service.delete()
    assert workspace.webservices == {}
    assert requests.post(service.scoring_uri, BODY).status_code == 404


def test_each_service_predicts_with_its_own_trained_model(
    here: Path, workspace: Any, deploy: Make, inference: Make
) -> None:
    import joblib
    import numpy
    from azureml.core import Model
    from sklearn.linear_model import LinearRegression

    x = numpy.arange(10.0).reshape(-1, 1)
    asked = numpy.array([[1.5], [30.0]])
    models, expected = {}, {}
    for name, slope in (("doubles", 2.0), ("triples", 3.0)):
        trained = LinearRegression().fit(x, slope * x[:, 0] + 1)
        joblib.dump(trained, here / "model.joblib")
        models[name] = Model.register(workspace, "model.joblib", name)
        expected[name] = trained.predict(asked).tolist()
    config = inference(SKLEARN_SCORE, packages=["scikit-learn"])
    services = {name: deploy(name, [model], config, wait=False) for name, model in models.items()}
    for name, service in services.items():
        service.wait_for_deployment()
        assert service.run(json.dumps({"data": asked.tolist()}))["result"] == pytest.approx(expected[name])


def test_one_changed_line_of_the_script_changes_the_answer(workspace: Any, deploy: Make, inference: Make) -> None:
    config = inference()
    service = deploy(config=config)
    script = Path(config.source_directory) / "score.py"
    script.write_text(script.read_text().replace("for x in row]", "for x in row] + ['changed']"))
    service.update(inference_config=config)
    service.wait_for_deployment()
    assert service.run(BODY)["result"][-1] == "changed"


def test_keys_open_the_service_and_are_regenerated(deploy: Make) -> None:
    service = deploy(auth_enabled=True)
    primary, secondary = service.get_keys()
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])

    def status(key: str | None) -> int:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        return requests.post(service.scoring_uri, BODY, headers=headers).status_code

    assert [status(k) for k in (None, "", "wrong", primary, secondary)] == [401, 401, 401, 200, 200]
    service.regen_key("Primary")
    fresh, same = service.get_keys()
    assert fresh != primary and same == secondary
    assert [status(k) for k in (primary, fresh, secondary)] == [401, 200, 200]
    service.regen_key("Secondary", set_key="my-own-key")
    assert [status(k) for k in (secondary, "my-own-key")] == [401, 200]


def test_logs_are_what_the_script_wrote(deploy: Make) -> None:
    service = deploy()
    log = service.get_logs()
    assert "the model is loaded" in log
    assert len(service.get_logs(num_lines=1).splitlines()) == 1
    assert "line:1" in service.get_logs(init=True)


def test_services_are_listed_by_what_they_are(workspace: Any, register: Make, deploy: Make) -> None:
    from azureml.core import Webservice

    deploy("first", [register(1.0)], tags={"team": "a"}, properties={"p": "1"})
    deploy("second", [register(1.0, "other")], tags={"team": "b"})

    def names(**options: Any) -> set[str]:
        return {service.name for service in Webservice.list(workspace, **options)}

    assert set(workspace.webservices) == names() == {"first", "second"}
    assert names(model_name="other") == {"second"}
    assert names(model_id="line:1") == {"first"}
    assert names(tags=[["team", "a"]]) == {"first"}
    assert names(tags=["team"]) == {"first", "second"}
    assert names(properties=[["p", "1"]]) == {"first"}
    assert names(compute_type="ACI") == {"first", "second"}
    assert names(compute_type="AKS") == set()


def test_a_list_longer_than_a_page_is_followed(azure: Any, workspace: Any, deploy: Make, monkeypatch: Any) -> None:
    from azureml.core import Webservice

    from fakes.services.webservices import responses

    monkeypatch.setattr(responses, "PAGE", 1)
    model = [deploy("one").models[0]]
    deploy("two", model, wait=False)
    assert {service.name for service in Webservice.list(workspace)} == {"one", "two"}


def test_a_name_is_taken_once_and_overwrite_keeps_address_and_keys(
    workspace: Any, register: Make, deploy: Make
) -> None:
    from azureml.exceptions import WebserviceException

    service = deploy(models=[register(2.0)], auth_enabled=True)
    with pytest.raises(WebserviceException, match="already contains an ACI Container Group with name my-service"):
        deploy()
    again = deploy(models=[register(5.0)], overwrite=True, auth_enabled=True)
    assert (again.scoring_uri, again.get_keys()) == (service.scoring_uri, service.get_keys())
    assert again.run(BODY)["result"] == pytest.approx([5.0, 15.0])


def test_tags_description_and_settings_change_in_place(workspace: Any, deploy: Make) -> None:
    from azureml.core import Webservice
    from azureml.exceptions import WebserviceException

    service = deploy(tags={"a": "1"})
    service.add_tags({"b": "2"})
    service.remove_tags(["a"])
    service.add_properties({"commit": "abc"})
    service.update(description="new", auth_enabled=True, enable_app_insights=True)
    read = Webservice(workspace, "my-service")
    assert (read.tags, read.description) == ({"b": "2"}, "new")
    assert read.properties["commit"] == "abc"
    assert (read.auth_enabled, read.enable_app_insights) == (True, True)
    assert requests.post(read.scoring_uri, BODY).status_code == 401
    with pytest.raises(WebserviceException, match="commit"):
        read.add_properties({"commit": "other"})


def test_the_model_of_an_update_wins(register: Make, deploy: Make, inference: Make) -> None:
    service = deploy(models=[register(2.0)])
    service.update(models=[register(7.0)], inference_config=inference())
    service.wait_for_deployment()
    assert service.run(BODY)["result"] == pytest.approx([7.0, 21.0])
    assert [m.id for m in service.models] == ["line:2"]


def test_several_models_lie_by_name_and_version(register: Make, deploy: Make, inference: Make) -> None:
    script = """
        import json, os
        def init(): pass
        def run(data):
            root = os.environ["AZUREML_MODEL_DIR"]
            return sorted(os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(root) for f in fs)
    """
    service = deploy(models=[register(name="one"), register(name="two")], config=inference(script))
    assert service.run("{}") == ["one/1/line.json", "two/1/line.json"]


def test_variables_and_modules_of_the_source_directory_are_there(here: Path, deploy: Make, inference: Make) -> None:
    script = """
        import os
        from helper import GREETING
        def init(): pass
        def run(data):
            return [GREETING, os.environ["MINE"], os.path.isabs(os.environ["AML_APP_ROOT"])]
    """
    config = inference(script, MINE="yes")
    (here / "source" / "helper.py").write_text("GREETING = 'hello'\n")
    assert deploy(config=config).run("{}") == ["hello", "yes", True]


def test_a_script_without_source_directory_runs(here: Path, deploy: Make) -> None:
    from azureml.core import Environment
    from azureml.core.model import InferenceConfig

    (here / "alone.py").write_text("def init(): pass\ndef run(data): return 'alone'\n")
    config = InferenceConfig(entry_script="alone.py", environment=Environment("plain"))
    assert deploy(config=config).run("{}") == "alone"


def test_two_deployments_at_once_are_a_conflict(azure: Any, workspace: Any, deploy: Make) -> None:
    from azureml.exceptions import WebserviceException

    azure.state.transitions.set("service", "polls", 1000)
    service = deploy(wait=False)
    assert service.state == "Transitioning" and service.scoring_uri is None
    with pytest.raises(WebserviceException, match="Transitioning"):
        deploy(wait=False, overwrite=True)


@pytest.mark.parametrize("name", ["Ab", "a", "a" * 33, "under_score", "-abc", "abc-"])
def test_names_that_azure_does_not_take(azure: Any, auth: dict[str, str], name: str) -> None:
    base = f"https://{azure.state.workspace().api_host}/modelmanagement/v1.0{azure.state.workspace().arm_id}"
    answer = requests.post(f"{base}/services", json={"name": name, "computeType": "ACI"}, headers=auth)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidServiceName")
    assert answer.json()["statusCode"] == 400


def test_what_is_not_there(azure: Any, workspace: Any, auth: dict[str, str]) -> None:
    from azureml.core import Webservice
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="WebserviceNotFound"):
        Webservice(workspace, "nothing")
    base = f"https://{azure.state.workspace().api_host}/modelmanagement/v1.0{azure.state.workspace().arm_id}"
    assert requests.delete(f"{base}/services/nothing", headers=auth).status_code == 204
    assert requests.get(f"{base}/operations/nothing", headers=auth).status_code == 404


def test_a_dns_label_is_the_address_and_is_taken_once(register: Make, deploy: Make) -> None:
    from azureml.exceptions import WebserviceException

    model = register()
    service = deploy("one", [model], dns_name_label="my-label", location="northeurope")
    assert service.scoring_uri == "http://my-label.northeurope.azurecontainer.io/score"
    with pytest.raises(WebserviceException, match="DnsNameLabelNotAvailable"):
        deploy("two", [model], dns_name_label="my-label", location="northeurope")


def test_a_model_that_a_service_needs_is_not_deleted(deploy: Make) -> None:
    from azureml.exceptions import WebserviceException

    service = deploy()
    with pytest.raises(WebserviceException, match="412"):
        service.models[0].delete()
    service.delete()
    service.models[0].delete()


def test_the_inference_server_hosts_when_asked_for(azure: Any, deploy: Make, inference: Make) -> None:
    """azureml-inference-server-http in an environment of its own: FAKES_INFERENCE_PYTHON names its interpreter."""
    from fakes.services.webservices.models import Webservices

    python = os.environ.get("FAKES_INFERENCE_PYTHON", sys.executable)
    if not Path(python).with_name("azmlinfsrv").exists():
        pytest.skip("azureml-inference-server-http is not installed beside FAKES_INFERENCE_PYTHON")
    services = azure.state.backend(Webservices)
    services.host_program, services.host_python = "azmlinfsrv", python
    service = deploy()
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])
    assert "azmlinfsrv" in service.get_logs() or "Azure ML Inferencing" in service.get_logs()
    with pytest.raises(Exception, match="ValueError: no weights"):
        deploy("broken", config=inference("def init(): raise ValueError('no weights')\ndef run(d): return d\n", "b"))


@pytest.mark.docker
def test_a_container_hosts_when_asked_for(azure: Any, deploy: Make) -> None:
    """The image has only Python of this minor version; the packages of this environment are mounted into it."""
    import site

    from fakes.services.webservices.models import Webservices

    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine answers")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    bases = [t for image in client.images.list() for t in image.tags if t.endswith(f"python:{minor}-slim")]
    if not bases:
        pytest.skip(f"the engine has no image with Python {minor}")
    services = azure.state.backend(Webservices)
    services.host_program, services.host_image = "container", bases[0]
    services.host_options = ["--volume", f"{site.getsitepackages()[0]}:/packages:ro", "--env", "PYTHONPATH=/packages"]
    service = deploy()
    assert service.run(BODY)["result"] == pytest.approx([2.0, 6.0])
    assert "the model is loaded" in service.get_logs()

    def containers() -> list[Any]:
        return list(client.containers.list(all=True, filters={"label": "fakes.host=1"}, ignore_removed=True))

    assert containers()
    service.delete()
    assert containers() == []
    client.close()
