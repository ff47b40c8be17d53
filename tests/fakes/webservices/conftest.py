"""A workspace with trained models and entry scripts, for services."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Light: a process that imports scikit-learn starts slowly, and most tests do not need it.
SCORE = """
    import json, os

    def init():
        global slope
        with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "line.json")) as file:
            slope = json.load(file)["slope"]
        print("the model is loaded")

    def run(data):
        return {"result": [slope * x for row in json.loads(data)["data"] for x in row]}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: the SDK registers nothing from outside it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def register(workspace: Any, here: Path) -> Callable[..., Any]:
    """Register a line ``y = slope * x``."""

    def make(slope: float = 2.0, name: str = "line", **options: Any) -> Any:
        from azureml.core import Model

        (here / "line.json").write_text(json.dumps({"slope": slope}))
        return Model.register(workspace, "line.json", name, **options)

    return make


@pytest.fixture
def inference(here: Path) -> Callable[..., Any]:
    """An InferenceConfig of a script in a source directory of its own."""

    def make(script: str = SCORE, folder: str = "source", packages: list[str] | None = None, **variables: str) -> Any:
        from azureml.core import Environment
        from azureml.core.conda_dependencies import CondaDependencies
        from azureml.core.model import InferenceConfig

        source = here / folder
        source.mkdir(exist_ok=True)
        (source / "score.py").write_text(textwrap.dedent(script))
        environment = Environment("scoring")
        environment.environment_variables = dict(variables)
        if packages is not None:
            wanted = ["azureml-defaults", *packages]
            environment.python.conda_dependencies = CondaDependencies.create(pip_packages=wanted)
        return InferenceConfig(entry_script="score.py", source_directory=str(source), environment=environment)

    return make


@pytest.fixture
def deploy(workspace: Any, register: Callable[..., Any], inference: Callable[..., Any]) -> Callable[..., Any]:
    """Deploy to ACI and wait."""

    def make(name: str = "my-service", models: Any = None, config: Any = None, wait: bool = True, **aci: Any) -> Any:
        from azureml.core import Model
        from azureml.core.webservice import AciWebservice

        overwrite = bool(aci.pop("overwrite", False))
        service = Model.deploy(
            workspace,
            name,
            [register()] if models is None else models,
            config or inference(),
            AciWebservice.deploy_configuration(**({"cpu_cores": 1, "memory_gb": 1} | aci)),
            overwrite=overwrite,
        )
        if wait:
            service.wait_for_deployment()
        return service

    return make


@pytest.fixture
def cluster(workspace: Any) -> Any:
    """A Kubernetes cluster."""
    from azureml.core.compute import AksCompute, ComputeTarget

    target = ComputeTarget.create(workspace, "my-aks", AksCompute.provisioning_configuration())
    target.wait_for_completion()
    return target


@pytest.fixture
def deploy_aks(
    workspace: Any, cluster: Any, register: Callable[..., Any], inference: Callable[..., Any]
) -> Callable[..., Any]:
    """Deploy to AKS and wait."""

    def make(name: str = "on-aks", models: list[Any] | None = None, config: Any = None, **aks: Any) -> Any:
        from azureml.core import Model
        from azureml.core.webservice import AksWebservice

        overwrite = bool(aks.pop("overwrite", False))
        service = Model.deploy(
            workspace,
            name,
            [register()] if models is None else models,
            config or inference(),
            AksWebservice.deploy_configuration(**aks),
            cluster,
            overwrite=overwrite,
        )
        service.wait_for_deployment()
        return service

    return make
