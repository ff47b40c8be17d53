"""Model packages, through the SDK."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import requests

import fakes

pytestmark = pytest.mark.azure
SCRIPT = """
    import json, os
    def init(): pass
    def run(data):
        with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "line.json")) as file:
            return json.load(file)["slope"]
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workspace: Any) -> tuple[Any, Any]:
    """A registered model and an InferenceConfig."""
    from azureml.core import Environment, Model
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.core.model import InferenceConfig

    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.json").write_text('{"slope": 4}')
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "score.py").write_text(textwrap.dedent(SCRIPT))
    environment = Environment("scoring")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy==2.0.0"])
    environment.environment_variables = {"GREETING": 'say "hello" for $5'}
    config = InferenceConfig("score.py", source_directory=str(tmp_path / "source"), environment=environment)
    return Model.register(workspace, "line.json", "line"), config


def test_an_image_is_built_and_its_log_tells_what_is_in_it(azure: Any, workspace: Any, parts: Any) -> None:
    from azureml.core import Model

    package = Model.package(workspace, [parts[0]], parts[1], image_name="line", image_label="v1")
    package.wait_for_creation(show_output=False)
    registry = azure.state.workspace().container_registry
    assert (package.state, package.location) == ("Succeeded", f"{registry}.azurecr.io/line:v1")
    log = package.get_logs()
    assert "azureml-app/azureml-models/line/1/line.json" in log and "azureml-app/source/score.py" in log
    assert "Successfully tagged" in log
    credentials = package.get_container_registry()
    assert credentials.address == f"{registry}.azurecr.io" and credentials.password


def test_a_build_context_is_saved_and_complete(workspace: Any, parts: Any, tmp_path: Path) -> None:
    from azureml.core import Model

    package = Model.package(workspace, [parts[0]], parts[1], generate_dockerfile=True)
    package.wait_for_creation(show_output=False)
    saved = tmp_path / "context"
    package.save(str(saved))
    files = {str(p.relative_to(saved)) for p in saved.rglob("*") if p.is_file()}
    assert {"Dockerfile", "azureml-app/source/score.py", "azureml-app/azureml-models/line/1/line.json"} <= files
    assert "numpy==2.0.0" in (saved / "requirements.txt").read_text()
    dockerfile = (saved / "Dockerfile").read_text()
    assert "AZUREML_MODEL_DIR=azureml-models/line/1" in dockerfile
    assert r'ENV GREETING="say \"hello\" for \$5"' in dockerfile
    # What the driver that the SDK generated imports is where it looks for it.
    driver = next(p for p in (saved / "azureml-app").glob("tmp*.py"))
    program = f"import runpy; m = runpy.run_path({str(driver)!r}); m['init'](); print(m['run']('1', {{}}))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"AZUREML_MODEL_DIR": str(saved / "azureml-app/azureml-models/line/1")},
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "4", answer.stderr


def test_a_failing_build_says_why(azure: Any, workspace: Any, parts: Any) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    azure.state.transitions.set("package", failure={"code": "ImageBuildFailed", "message": "no space on device"})
    package = Model.package(workspace, [parts[0]], parts[1])
    with pytest.raises(WebserviceException, match="no space on device"):
        package.wait_for_creation(show_output=False)
    assert package.state == "Failed"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"packageType": "Zip", "imageRequest": {}}, "InvalidPackageType"),
        ({"packageType": "DockerImage", "imageRequest": None}, "InvalidImageRequest"),
        ({"packageType": "DockerImage", "imageRequest": {"environment": {}, "assets": []}}, "InvalidImageRequest"),
        (
            {
                "packageType": "DockerImage",
                "imageRequest": {"environment": {}, "assets": [{"url": "aml://artifact/a/b/c"}]},
                "imageName": "Not A Name",
            },
            "InvalidImageName",
        ),
    ],
)
def test_what_cannot_be_packaged(azure: Any, auth: dict[str, str], body: dict[str, Any], code: str) -> None:
    workspace = azure.state.workspace()
    url = f"https://{workspace.api_host}/modelmanagement/v1.0{workspace.arm_id}/packages"
    answer = requests.post(url, json=body, headers=auth)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_missing_artifact_fails_the_build(azure: Any, auth: dict[str, str]) -> None:
    workspace = azure.state.workspace()
    base = f"https://{workspace.api_host}/modelmanagement/v1.0{workspace.arm_id}"
    request = {"environment": {}, "assets": [{"url": "aml://artifact/LocalUpload/box/gone.py"}], "driverProgram": "x"}
    answer = requests.post(
        f"{base}/packages", json={"packageType": "DockerImage", "imageRequest": request}, headers=auth
    )
    operation = answer.headers["Operation-Location"].rpartition("/")[2]
    state = requests.get(f"{base}/operations/{operation}", headers=auth).json()
    assert (state["state"], state["error"]["code"]) == ("Failed", "ImageBuildFailed")
    assert "gone.py" in state["error"]["message"]
    assert "gone.py" in requests.get(state["operationLog"]).text


def test_the_registry_of_a_build_context_is_that_of_its_environment(azure: Any, workspace: Any, parts: Any) -> None:
    from azureml.core import Model

    package = Model.package(workspace, [parts[0]], parts[1], generate_dockerfile=True)
    package.wait_for_creation(show_output=False)
    given = package.get_container_registry()
    registry = azure.state.workspace().container_registry
    assert (given.address, given.username) == (f"{registry}.azurecr.io", registry)
    assert requests.get(f"https://{given.address}/v2/", auth=(given.username, given.password)).status_code == 200


def test_a_package_is_pulled_with_the_mocked_engine(azure: Any, workspace: Any, parts: Any) -> None:
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    docker = pytest.importorskip("docker")
    package = Model.package(workspace, [parts[0]], parts[1], image_name="line", image_label="v1")
    package.wait_for_creation(show_output=False)
    with fakes.mock_docker() as engine:
        with pytest.raises(WebserviceException, match="docker image pull has failed"):
            package.pull()
        engine.registry.add(package.location)
        package.pull()
        client = docker.from_env()
        assert client.images.get(package.location).tags == [package.location]
        client.close()
