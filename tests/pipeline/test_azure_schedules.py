"""Pipeline endpoints and schedules on Azure, through the program's own entry point."""

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
from tests.fakes.jobs import until

pytestmark = [pytest.mark.azure, pytest.mark.slow]
Call = Callable[..., Any]
NAME = "diabetes-training-pipeline"


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


def test_the_endpoint_runs_the_newest_publication(call: Call, workspace: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    first = call("pipeline", "publish", "--build-id", "41")
    second = call("pipeline", "publish", "--build-id", "42")
    call("pipeline", "publish", "--build-id", "41")  # again: nothing new, so nothing moves
    endpoint = PipelineEndpoint.get(workspace, name=first["name"])
    assert [version.pipeline.id for version in endpoint.list_versions()] == [first["id"], second["id"]]
    assert endpoint.get_pipeline().id == second["id"]


def test_a_schedule_by_time_is_made_replaced_listed_and_ended(call: Call, workspace: Any) -> None:
    from azureml.pipeline.core import Schedule

    unpublished = call("pipeline", "schedule", "create", "nightly", "--every", "day", code=3)
    assert unpublished["error"]["hint"] == "mlops pipeline publish"
    call("pipeline", "publish", "--build-id", "41")
    week = ("--every", "week", "--on", "Monday", "--on", "thursday", "--at", "03:30")
    made = call("pipeline", "schedule", "create", "nightly", *week)
    assert made["when"] == "every week on Monday, Thursday at 03:30 UTC"
    held = Schedule.get(workspace, made["id"])
    assert (held.recurrence.frequency, held.recurrence.interval) == ("Week", 1)
    assert (held.recurrence.hours, held.recurrence.minutes) == ([3], [30])
    assert held.recurrence.week_days == ["Monday", "Thursday"]
    assert held.get_pipeline_runs() == []  # the first run is at the next time that is due
    again = call("pipeline", "schedule", "create", "nightly", "--every", "hour", "--interval", "6")
    assert call("pipeline", "schedule", "list") == [again]
    assert again["id"] != made["id"]
    call("pipeline", "schedule", "delete", "nightly")
    assert call("pipeline", "schedule", "list") == []
    assert Schedule.list(workspace) == []
    call("pipeline", "schedule", "delete", "nightly", code=3)


def test_new_data_starts_the_newest_publication(call: Call, workspace: Any, fake: Fake, tmp_path: Path) -> None:
    from azureml.pipeline.core import Schedule

    from model import dataset

    call("pipeline", "publish", "--build-id", "41")
    made = call("pipeline", "schedule", "create", "on-data", "--on-data", "mlops-data/diabetes", "--poll", "10")
    newest = call("pipeline", "publish", "--build-id", "42")
    held = Schedule.get(workspace, made["id"])
    path = tmp_path / "new.csv"
    dataset.sample().head(300).to_csv(path, index=False)
    call("data", "register", str(path))
    assert held.get_pipeline_runs() == []
    fake.state.clock.advance(10 * 60 + 1)
    (run,) = until(held.get_pipeline_runs, "a run of the schedule")
    status = call("pipeline", "cancel", run.id)
    assert status["state"] == "Canceled"
    assert run.properties["azureml.pipelineid"] == newest["id"]
