"""Pipeline endpoints and schedules on Azure, through the program's own entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.doors.activation import Fake
from tests.fakes.jobs import until
from tests.pipeline.azure import Call, call, fake, workspace

__all__ = ["call", "fake", "workspace"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]


def test_the_endpoint_runs_the_newest_publication(call: Call, workspace: Any) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    first = call("pipeline", "publish", "--build-id", "41")
    second = call("pipeline", "publish", "--build-id", "42")
    call("pipeline", "publish", "--build-id", "41")  # again: nothing new, so nothing moves
    endpoint = PipelineEndpoint.get(workspace, name=first["name"])
    assert [version.pipeline.id for version in endpoint.list_versions()] == [first["id"], second["id"]]
    assert endpoint.get_pipeline().id == second["id"]
    # who starts it there is told of a parameter that is wrong where the run is looked at
    run = endpoint.submit("by-hand", pipeline_parameters={"data_version": "abc"})
    failed = call("pipeline", "wait", run.id, "--timeout", "240", code=5)
    assert failed["steps"][0]["error"] == "parameter data_version must be a whole number, not 'abc'"
    # and what was right is known where the run is resumed
    given = {"parameters": '{"alpha": -1}', "caller_run_id": "c-9", "build_id": "43"}
    run = endpoint.submit("by-hand", pipeline_parameters=given)
    assert call("pipeline", "wait", run.id, "--timeout", "240", code=5)["steps"][1]["state"] == "Failed"
    started = call("pipeline", "run", "--resume", run.id, "-p", 'parameters={"alpha": 2}', "--no-wait")["run_id"]
    ended = call("pipeline", "wait", started, "--timeout", "240")
    assert (ended["state"], ended["build_id"]) == ("Completed", "43")
    assert run.id in ended["steps"][0]["reused"]
    tags = call("runs", "show", started)["tags"]
    assert (tags["caller_run_id"], tags["resumes"]) == ("c-9", run.id)


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
    assert run.properties["azureml.pipelineid"] == newest["id"]
    assert run.properties["runType"] == "Schedule"
    assert call("pipeline", "schedule", "list")[0]["last_run"] == run.id
    # A schedule sets no tags: what the run is, its publication says at first, and the tags that its first step sets.
    early = call("pipeline", "status", run.id)
    ended = call("pipeline", "wait", run.id, "--timeout", "240")
    for status in (early, ended):
        assert [step["name"] for step in status["steps"]] == ["check_data", "train", "evaluate", "register"]
        assert (status["pipeline"], status["published"]) == (newest["name"], newest["id"])
        assert status["build_id"] is None  # no build runs it: neither the one that published, nor another
    assert (ended["state"], ended["model"]) == ("Completed", "diabetes:1")
    tags = call("runs", "show", run.id)["tags"]
    assert (tags["started_by"], tags["pipeline"], tags["decision"]) == ("schedule", newest["name"], "promote")
    assert call("pipeline", "model", "--run", run.id)["model"] == "diabetes:1"
    assert call("pipeline", "model", "--build-id", "42")["model"] is None
    lineage = call("models", "show", "diabetes:1")["lineage"]
    assert lineage["data"] == "diabetes:1"
    assert "build_id" not in lineage
