"""Model packages, through the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fakes.services.packages.models import Packages

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


@pytest.fixture
def engine() -> Iterator[Any]:
    """The local Docker engine and an image with Python in it, or a skip."""
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException:
        pytest.skip("no Docker engine answers")
    bases = [t for image in client.images.list() for t in image.tags if "python" in t or "mlops-base" in t]
    if not bases:
        pytest.skip("the engine has no image with Python")
    yield client, bases[0]
    client.close()


@pytest.mark.docker
def test_a_real_image_is_built_when_asked_for(azure: Any, workspace: Any, parts: Any, engine: Any) -> None:
    from azureml.core import Model

    client, base = engine
    packages = azure.state.backend(Packages)
    packages.local_images, packages.local_base = True, base
    package = Model.package(workspace, [parts[0]], parts[1], image_name="really", image_label="built")
    package.wait_for_creation(show_output=False)
    try:
        assert client.images.get(package.location)
        assert f"Successfully tagged {package.location}" in package.get_logs()
        out = client.containers.run(package.location, ["ls", "/var/azureml-app/azureml-models/line/1"], remove=True)
        assert json.loads(json.dumps(out.decode())) == "line.json\n"
    finally:
        client.images.remove(package.location, force=True)
