"""The program on the Azure backend over the fake, with a cluster to train on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakes
from fakes.doors.activation import Fake
from mlops.__main__ import run as mlops
from pipeline.provenance import ROOT

Call = Callable[..., Any]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


@pytest.fixture
def workspace(fake: Fake) -> Any:
    from azureml.core import Workspace
    from azureml.core.compute import AmlCompute, ComputeTarget

    s = fake.settings
    found = Workspace.get(s.workspace_name, subscription_id=s.subscription_id, resource_group=s.resource_group)
    configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_DS2_V2", max_nodes=1)
    ComputeTarget.create(found, "train-cluster", configuration).wait_for_completion()
    return found


@pytest.fixture
def call(
    fake: Fake, workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Run a command on the Azure backend; gives the JSON document."""
    s = fake.settings
    values = {
        "MLOPS_BACKEND": "azure",
        "MLOPS_STATE": str(tmp_path / "state"),
        "MLOPS_AZURE_COMPUTE": "train-cluster",
        "SUBSCRIPTION_ID": s.subscription_id,
        "RESOURCE_GROUP": s.resource_group,
        "WORKSPACE_NAME": s.workspace_name,
        "TENANT_ID": s.tenant_id,
        "SP_APP_ID": s.client_id,
        "SP_APP_SECRET": s.client_secret,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        got = mlops([*arguments, "--project", str(ROOT), "-o", "json", "-q"])
        said = capsys.readouterr()
        assert got == code, f"{arguments}: {got}\n{said.out}\n{said.err}"
        return json.loads(said.out) if said.out.strip() else said.err

    return call
