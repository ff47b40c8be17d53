"""Resuming: which runs, with which settings, and what a step that failed says about it. The seams are in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.graph import BATCH, TRAINING, Step
from pipeline.local import background
from pipeline.local.executors import ERROR, Seams, Task, failure
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from registry.errors import NotFound


@pytest.fixture
def runner(cold_seams: Seams, tmp_path: Path) -> LocalRunner:
    return LocalRunner(cold_seams, tmp_path / "work", project=ROOT)


def failed(runner: LocalRunner, name: str = TRAINING.name) -> str:
    """A run whose first step has failed."""
    with pytest.raises(NotFound):
        runner.run(TRAINING.named(name), PipelineConfig(data_version=99))
    return next(run.id for run in runner.seams.runs.search() if run.parent is None)


def test_a_run_of_another_pipeline_is_not_resumed(runner: LocalRunner) -> None:
    with pytest.raises(PipelineError, match="chunk_rows"):
        runner.run(BATCH, PipelineConfig(chunk_rows=0))
    (run,) = (run.id for run in runner.seams.runs.search() if run.parent is None)
    with pytest.raises(PipelineError, match=f"{run} is one of pipeline batch, not of training") as told:
        runner.run(TRAINING, resume=run)
    assert told.value.hint == "tables are scored anew: mlops batch --published"
    assert [run.id for run in runner.seams.runs.search() if run.parent is None] == [run]


def test_a_run_of_this_pipeline_under_another_name_is_resumed_under_that(runner: LocalRunner) -> None:
    run = failed(runner, "nightly")
    with pytest.raises(PipelineError, match="pipeline nightly, not of training") as told:
        runner.submit(TRAINING, resume=run)
    assert told.value.hint == f"mlops pipeline run --resume {run} --set pipeline.name=nightly"


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        (TRAINING.steps[0], "mend it; then: mlops pipeline run --resume {run}"),
        (BATCH.steps[0], "mlops pipeline logs {run} --step split"),
    ],
)
def test_only_a_step_of_training_is_said_to_be_resumed(
    runner: LocalRunner, tmp_path: Path, step: Step, hint: str
) -> None:
    parent = runner.seams.runs.start("e", name="p")
    task = Task(step, PipelineConfig(), {}, tmp_path / "output", parent, parent, print)
    (tmp_path / ERROR).write_text(json.dumps({"message": "it broke", "hint": None}))
    assert failure(task, 1, []).hint == hint.format(run=parent.id)


def test_a_publication_resumes_a_run_with_its_settings(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "start", lambda *_: None)  # what the run was given is all that is looked at
    config = PipelineConfig(data_version=99, build_id="8", git_revision="abc")
    published = runner.publish(TRAINING, config, build_id="8")
    chosen = {"parameters": {"alpha": 2.0}, "caller_run_id": "c-7", "data_version": 98}
    run = runner.submit(published, parameters=chosen)
    again = runner.submit(published, parameters={"data_version": None}, resume=run)
    expected = replace(config, parameters={"alpha": 2.0}, caller_run_id="c-7", data_version=None)
    assert PipelineConfig.from_json(runner.state.read(again).config) == expected


def test_what_is_frozen_with_a_publication_is_not_resumed_with_another_value(runner: LocalRunner) -> None:
    run = failed(runner)
    config = PipelineConfig(data_version=99, seed=1, margin=0.5, git_revision="abc")
    published = runner.publish(TRAINING, config, build_id="8")
    with pytest.raises(PipelineError, match=f"run {run} has another seed, margin than training as build 8") as told:
        runner.submit(published, resume=run)
    assert f"mlops pipeline run --resume {run}" in str(told.value.hint)
    # nor one that no parameter can express: nothing
    published = runner.publish(TRAINING, PipelineConfig(data_version=99, build_id="9"), build_id="9")
    with pytest.raises(PipelineError, match="another build_id"):
        runner.submit(published, resume=run)
