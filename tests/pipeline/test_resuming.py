"""Resuming: which runs, with which settings, and what a step that failed says about it. The seams are in memory."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.fingerprint import fingerprint, installed
from pipeline.graph import BATCH, TRAINING, Step
from pipeline.local import background
from pipeline.local.executors import ERROR, Seams, Task, failure
from pipeline.local.reuse import ReuseIndex
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from pipeline.runner import first_changed
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


def test_a_run_that_is_resumed_with_todays_code_says_so(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "start", lambda *_: None)
    before = PipelineConfig(data_version=99, git_revision="old", git_dirty=False, lock_digest="sha256:old")
    run = runner.submit(TRAINING, before)
    monkeypatch.setattr(provenance, "git", lambda root: ("new", True))
    monkeypatch.setattr(provenance, "lock_digest", lambda root=None: "sha256:new")
    record = runner.state.read(runner.submit(TRAINING, resume=run))
    expected = replace(before, git_revision="new", git_dirty=True, lock_digest="sha256:new")
    assert PipelineConfig.from_json(record.config) == expected
    assert record.start == "train"  # what depends on the lock is done again
    # the code of a publication is what it was
    published = runner.publish(TRAINING, before, build_id="8")
    run = runner.submit(published)
    assert PipelineConfig.from_json(runner.state.read(runner.submit(TRAINING, resume=run)).config) == before


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"data_version": 3}, "check_data"),
        ({"parameters": {"alpha": 2.0}}, "train"),
        ({"margin": 0.5}, "evaluate"),
        ({"build_id": "42", "who": "another"}, None),
    ],
)
def test_a_setting_is_a_reason_to_begin_where_it_counts(changes: dict[str, object], first: str | None) -> None:
    assert first_changed(TRAINING, PipelineConfig(), replace(PipelineConfig(), **changes)) == first  # type: ignore[arg-type]


def test_nothing_is_taken_over_that_followed_what_is_gone(cold_seams: Seams, tmp_path: Path) -> None:
    runner = LocalRunner(cold_seams, tmp_path / "work", project=ROOT, allow_reuse=False)
    config = PipelineConfig(parameters={"alpha": 2.0})
    before = runner.run(TRAINING, config, until="evaluate")
    output = Path(str(runner.state.read(before.run_id).records()[1].output))
    shutil.rmtree(output)
    again = runner.run(TRAINING, config, resume=before.run_id)
    assert [bool(step.reused) for step in again.steps] == [True, False, False, False]


def test_another_version_of_a_library_is_a_reason_to_train_again(monkeypatch: pytest.MonkeyPatch) -> None:
    train = TRAINING.step("train")
    before = fingerprint(train, PipelineConfig(), {}, ROOT)
    assert fingerprint(train, PipelineConfig(), {}, ROOT) == before
    assert installed(provenance.lock_file())["scikit-learn"]
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.1" if name == "scikit-learn" else real(name))
    assert fingerprint(train, PipelineConfig(), {}, ROOT) != before


def test_what_is_known_of_a_step_to_reuse_and_cannot_be_read_is_not_used(tmp_path: Path) -> None:
    index = ReuseIndex(tmp_path)
    (tmp_path / "key.json").write_text('{"run_id": "r')
    assert index.find("key") is None
    assert index.find("none") is None
