"""Schedules, by time and by data, through the unmodified SDK."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fakes.core.errors import AzureError
from fakes.services.pipelines import recurrence
from tests.fakes.jobs import cluster, ended, project, until

pytestmark = pytest.mark.azure


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def published(workspace: Any, tmp_path: Path) -> Any:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import Pipeline, PipelineParameter
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", show="import sys, os\nprint('got', open(sys.argv[1]).read())\n")
    store = workspace.get_default_datastore()
    (tmp_path / "first.txt").write_text("first")
    store.upload_files([str(tmp_path / "first.txt")], target_path="watched", show_progress=False)
    where = (
        PipelineParameter("where", default_value=DataPath(store, "watched/first.txt")),
        DataPathComputeBinding(mode="download"),
    )
    step = PythonScriptStep(
        "show.py", name="show", arguments=[where], inputs=[where], compute_target="cpu", source_directory=folder
    )
    return Pipeline(workspace, [step]).publish("watch")


def runs_of(schedule: Any, count: int) -> list[Any]:
    found: list[Any] = until(
        lambda: len(runs := schedule.get_pipeline_runs()) >= count and runs, f"{count} runs of the schedule"
    )
    return found


def test_a_schedule_by_time_runs_at_once_and_then_again(azure: Any, workspace: Any, published: Any) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    schedule = Schedule.create(
        workspace,
        name="daily",
        pipeline_id=published.id,
        experiment_name="nightly",
        recurrence=ScheduleRecurrence(frequency="Minute", interval=20),
    )
    assert schedule.status == "Active"
    assert schedule.get_last_pipeline_run().id == runs_of(schedule, 1)[0].id
    assert ended(runs_of(schedule, 1)[0]) == "Finished"
    azure.state.clock.advance(20 * 60 + 1)
    assert ended(runs_of(schedule, 2)[0]) == "Finished"


def test_a_schedule_with_a_start_time_waits_for_it(azure: Any, workspace: Any, published: Any) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence, TimeZone

    start = datetime.now(timezone.utc) + timedelta(minutes=30)
    schedule = Schedule.create(
        workspace,
        name="later",
        pipeline_id=published.id,
        experiment_name="nightly",
        recurrence=ScheduleRecurrence(
            frequency="Hour", interval=2, start_time=start.strftime("%Y-%m-%dT%H:%M:%S"), time_zone=TimeZone.UTC
        ),
    )
    assert schedule.get_last_pipeline_run() is None
    azure.state.clock.advance(30 * 60 + 1)
    runs_of(schedule, 1)


def test_a_disabled_schedule_rests(azure: Any, workspace: Any, published: Any) -> None:
    from azureml.pipeline.core import Schedule, ScheduleRecurrence

    schedule = Schedule.create(
        workspace,
        name="daily",
        pipeline_id=published.id,
        experiment_name="nightly",
        recurrence=ScheduleRecurrence(frequency="Minute", interval=20),
    )
    runs_of(schedule, 1)
    schedule.disable()
    assert Schedule.list(workspace, active_only=True) == []
    azure.state.clock.advance(45 * 60)
    from fakes.services.pipelines.schedules import Scheduler

    azure.state.backend(Scheduler).tick()
    assert len(schedule.get_pipeline_runs()) == 1
    schedule.enable()
    schedule.update(name="weekly", recurrence=ScheduleRecurrence(frequency="Week", interval=1))
    found = Schedule.get(workspace, schedule.id)
    assert (found.name, found.recurrence.frequency, found.status) == ("weekly", "Week", "Active")
    assert [s.id for s in Schedule.get_schedules_for_pipeline_id(workspace, published.id)] == [schedule.id]


def test_a_schedule_by_data_runs_for_what_changed(azure: Any, workspace: Any, published: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import Schedule

    store = workspace.get_default_datastore()
    schedule = Schedule.create(
        workspace,
        name="on data",
        pipeline_id=published.id,
        experiment_name="nightly",
        datastore=store,
        path_on_datastore="watched",
        polling_interval=5,
        data_path_parameter_name="where",
    )
    (tmp_path / "second.txt").write_text("second")
    store.upload_files([str(tmp_path / "second.txt")], target_path="watched", show_progress=False)
    store.upload_files([str(tmp_path / "second.txt")], target_path="elsewhere", show_progress=False)
    azure.state.clock.advance(5 * 60 + 1)
    run = runs_of(schedule, 1)[0]
    assert ended(run) == "Finished"
    assert "got second" in run.find_step_run("show")[0].get_stdout_log()
    azure.state.clock.advance(5 * 60 + 1)
    from fakes.services.pipelines.schedules import Scheduler

    azure.state.backend(Scheduler).tick()
    assert len(schedule.get_pipeline_runs()) == 1


def test_a_schedule_of_an_endpoint(azure: Any, workspace: Any, published: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint, Schedule, ScheduleRecurrence

    endpoint = PipelineEndpoint.publish(workspace, name="watch", pipeline=published, description="x")
    schedule = Schedule.create_for_pipeline_endpoint(
        workspace,
        name="endpoint",
        pipeline_endpoint_id=endpoint.id,
        experiment_name="nightly",
        recurrence=ScheduleRecurrence(frequency="Day", interval=1),
    )
    assert ended(runs_of(schedule, 1)[0]) == "Finished"
    found = Schedule.get_schedules_for_pipeline_endpoint_id(workspace, endpoint.id)
    assert [s.id for s in found] == [schedule.id]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("rule", "after", "due"),
    [
        ({"Frequency": "4", "Interval": 15}, utc(2026, 1, 1, 0, 1), utc(2026, 1, 1, 0, 15)),
        ({"Frequency": "Hour", "Interval": 6}, utc(2026, 1, 1, 6), utc(2026, 1, 1, 12)),
        (
            {"Frequency": "Day", "Interval": 1, "Schedule": {"Hours": [9, 18], "Minutes": [30]}},
            utc(2026, 1, 1, 10),
            utc(2026, 1, 1, 18, 30),
        ),
        (
            {"Frequency": "Week", "Interval": 1, "Schedule": {"WeekDays": ["Monday", "Friday"], "Hours": [8]}},
            utc(2026, 1, 3),
            utc(2026, 1, 5, 8),
        ),
        ({"Frequency": "Month", "Interval": 1}, utc(2026, 1, 2), utc(2026, 2, 1)),
        (
            {
                "Frequency": "Day",
                "Interval": 1,
                "StartTime": "2026-07-01T09:00:00",
                "TimeZone": "Romance Standard Time",
            },
            utc(2026, 7, 1),
            utc(2026, 7, 1, 7),
        ),
    ],
)
def test_when_a_recurrence_is_due(rule: dict[str, Any], after: datetime, due: datetime) -> None:
    assert recurrence.next_due(rule, utc(2026, 1, 1), after) == due


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"Frequency": "Sometimes", "Interval": 1}, 400),
        ({"Frequency": "Day", "Interval": 0}, 400),
        ({"Frequency": "Hour", "Interval": 1, "Schedule": {"Hours": [1]}}, 400),
        ({"Frequency": "Day", "Interval": 1, "StartTime": "soon", "TimeZone": "UTC"}, 400),
        ({"Frequency": "Day", "Interval": 1, "StartTime": "2026-01-01T00:00:00", "TimeZone": "Moon"}, 501),
    ],
)
def test_a_recurrence_that_is_refused(rule: dict[str, Any], status: int) -> None:
    with pytest.raises(AzureError) as caught:
        recurrence.check(rule)
    assert caught.value.status == status
