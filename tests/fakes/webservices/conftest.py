"""A workspace with trained models and entry scripts, for services."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCORE = """
    import json, os
    import joblib, numpy

    def init():
        global model
        model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.joblib"))
        print("the model is loaded")

    def run(data):
        return {"result": model.predict(numpy.array(json.loads(data)["data"])).tolist()}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: the SDK registers nothing from outside it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(here: Path) -> Callable[[float], Path]:
    """Train ``y = slope * x`` and return the folder's file."""

    def make(slope: float) -> Path:
        import joblib
        import numpy
        from sklearn.linear_model import LinearRegression

        x = numpy.arange(10.0).reshape(-1, 1)
        model = LinearRegression().fit(x, slope * x[:, 0])
        path = here / "model.joblib"
        joblib.dump(model, path)
        return path

    return make


@pytest.fixture
def register(workspace: Any, trained: Callable[[float], Path]) -> Callable[..., Any]:
    """Train and register."""

    def make(slope: float = 2.0, name: str = "line", **options: Any) -> Any:
        from azureml.core import Model

        return Model.register(workspace, str(trained(slope).name), name, **options)

    return make


@pytest.fixture
def inference(here: Path) -> Callable[..., Any]:
    """An InferenceConfig of a script in a source directory of its own."""

    def make(script: str = SCORE, folder: str = "source", **variables: str) -> Any:
        from azureml.core import Environment
        from azureml.core.model import InferenceConfig

        source = here / folder
        source.mkdir(exist_ok=True)
        (source / "score.py").write_text(textwrap.dedent(script))
        environment = Environment("scoring")
        environment.environment_variables = dict(variables)
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
