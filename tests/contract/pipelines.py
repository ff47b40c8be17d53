"""What every adapter of ``PipelineRunner`` does. Subclass it and give the fixtures ``runner`` and ``seams``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model import dataset
from model.errors import ModelError
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict, PipelineError, PipelineNotFound, PipelineTimeout
from pipeline.graph import TRAINING, Pipeline
from pipeline.local.executors import Seams
from pipeline.results import EvaluateResult, RegisterResult, TrainResult
from pipeline.runner import PipelineRunner, PipelineStatus
from registry.digests import tree_digest
from registry.runs import RunState

FAILED = (ModelError, PipelineError)
"""A step's own error where it ran in this process, ``StepFailed`` with its message elsewhere."""

TIMEOUT = 240.0


def states(status: PipelineStatus) -> dict[str, str]:
    return {step.name: step.state.value for step in status.steps}


class PipelineRunnerContract:
    """The suite."""

    @pytest.fixture
    def runner(self) -> PipelineRunner:
        raise NotImplementedError

    @pytest.fixture
    def seams(self) -> Seams:
        """The seams that the runner's steps use, as seen from here."""
        raise NotImplementedError

    @pytest.fixture
    def pipeline(self) -> Pipeline:
        return TRAINING.named("training-under-test")

    @pytest.fixture
    def config(self) -> PipelineConfig:
        return PipelineConfig(build_id="41", who="tester", tags={"team": "blue"})

    def test_runs_every_step_in_order(
        self,
        runner: PipelineRunner,
        seams: Seams,
        pipeline: Pipeline,
        config: PipelineConfig,
        tmp_path: Path,
    ) -> None:
        said: list[str] = []
        status = runner.run(pipeline, config, progress=said.append, tags={"reason": "a test"})
        assert status.state is RunState.COMPLETED
        assert list(states(status)) == ["check_data", "train", "evaluate", "register"]
        assert set(states(status).values()) == {"Completed"}
        assert (status.pipeline, status.build_id, status.error) == (pipeline.name, "41", None)
        assert any("promote" in line for line in said)
        assert status.steps[1].metrics["mse"] > 0
        assert all(step.started and step.ended and step.started <= step.ended for step in status.steps)
        # a run with its children, and the tags of config and submission
        parent = seams.runs.get(status.run_id)
        assert parent.state is RunState.COMPLETED
        assert {"team", "build_id", "decision"} <= set(parent.tags)
        assert parent.metrics["mse"] == status.steps[1].metrics["mse"]
        assert {run.name for run in seams.runs.search(parent=parent.id)} >= set(states(status))
        # outputs and results
        trained = runner.result(status.run_id, "train", TrainResult)
        folder = runner.output(status.run_id, "train", tmp_path / "train")
        assert tree_digest(folder / "model") == trained.model_digest
        assert (folder / "holdout.csv").is_file()
        registered = runner.result(status.run_id, "register", RegisterResult)
        version = seams.models.get("diabetes", 1)
        assert (registered.model, registered.digest) == ("diabetes:1", version.digest)
        assert version.digest == trained.model_digest
        assert version.tags["build_id"] == "41"
        assert seams.models.alias("diabetes", "candidate") == 1
        # and again: keep is no failure
        seams.models.set_alias("diabetes", "production", 1, who="test", why="released")
        kept = runner.run(pipeline, config)
        assert kept.state is RunState.COMPLETED
        assert runner.result(kept.run_id, "evaluate", EvaluateResult).decision == "keep"
        skipped = runner.result(kept.run_id, "register", RegisterResult)
        assert skipped.model is None
        assert skipped.skipped is not None and "equal" in skipped.skipped
        assert len(list(seams.models.versions("diabetes"))) == 1

    def test_a_failed_step_is_recorded_and_can_be_resumed(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        with pytest.raises(FAILED, match="alpha is -1"):
            runner.run(pipeline, replace(config, parameters={"alpha": -1}))
        failed = next(run for run in seams.runs.search(state=RunState.FAILED) if run.parent is None)
        status = runner.status(failed.id)
        assert states(status) == {
            "check_data": "Completed",
            "train": "Failed",
            "evaluate": "NotStarted",
            "register": "NotStarted",
        }
        assert "alpha is -1" in str(status.steps[1].error)
        assert "442 rows" in runner.logs(failed.id)
        with pytest.raises(PipelineNotFound, match="train"):
            runner.document(failed.id, "train")
        resumed = runner.run(pipeline, replace(config, parameters={"alpha": 2.0}), resume=failed.id)
        assert resumed.state is RunState.COMPLETED
        assert resumed.run_id != failed.id
        assert failed.id in str(resumed.steps[0].reused)
        assert [step.reused for step in resumed.steps[1:]] == [None, None, None]
        assert seams.runs.get(resumed.run_id).tags["resumes"] == failed.id
        # nothing is taken over that other settings have made
        other = replace(config, parameters={"alpha": 3.0})
        changed = runner.run(pipeline, other, resume=resumed.run_id, until="train")
        assert [step.reused is None for step in changed.steps] == [False, True]
        assert runner.result(changed.run_id, "train", TrainResult).parameters == {"alpha": 3.0}

    def test_part_of_a_pipeline_and_the_rest_later(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        first = runner.run(pipeline, config, until="train")
        assert list(states(first)) == ["check_data", "train"]
        assert first.state is RunState.COMPLETED
        second = runner.run(pipeline, config, resume=first.run_id, start="evaluate", until="evaluate")
        assert states(second) == {"check_data": "Completed", "train": "Completed", "evaluate": "Completed"}
        assert second.steps[1].run_id == first.steps[1].run_id
        # with the settings of the run that it takes up
        third = runner.run(pipeline, resume=second.run_id, start="evaluate", until="evaluate")
        assert seams.runs.get(third.run_id).tags.items() >= {"team": "blue", "build_id": "41"}.items()
        assert third.steps[2].reused is None
        assert third.steps[2].run_id != second.steps[2].run_id
        with pytest.raises(PipelineNotFound, match="evaluate"):
            runner.run(pipeline, config, resume=first.run_id, start="register")
        with pytest.raises(PipelineError, match="which run"):
            runner.run(pipeline, config, start="register")
        with pytest.raises(PipelineError, match=f"{first.run_id} is one of pipeline {pipeline.name}, not of another"):
            runner.submit(pipeline.named("another"), config, resume=first.run_id)

    def test_reuses_an_unchanged_step_and_says_so(
        self, runner: PipelineRunner, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        first = runner.run(pipeline, config, until="train")
        again = runner.run(pipeline, replace(config, build_id="42"), until="train")
        assert again.steps[0].reused is None  # it looks at what is registered
        assert again.steps[1].reused
        assert again.steps[1].run_id == first.steps[1].run_id
        assert again.steps[1].metrics == first.steps[1].metrics
        other = runner.run(pipeline, replace(config, parameters={"alpha": 3.0}), until="train")
        assert other.steps[1].reused is None

    def test_submits_and_waits(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        run_id = runner.submit(pipeline, config, until="check_data")
        with pytest.raises(PipelineTimeout):
            runner.wait(run_id, timeout=0.0)
        said: list[str] = []
        status = runner.wait(run_id, timeout=TIMEOUT, progress=said.append)
        assert status.state is RunState.COMPLETED
        assert said
        assert seams.data.get("diabetes").version == 1
        assert runner.status(run_id) == status
        with pytest.raises(PipelineConflict, match="ended"):
            runner.cancel(run_id)

    def test_waits_for_a_run_that_fails(
        self, runner: PipelineRunner, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        run_id = runner.submit(pipeline, replace(config, data_version=99), until="check_data")
        status = runner.wait(run_id, timeout=TIMEOUT)
        assert status.state is RunState.FAILED
        assert states(status) == {"check_data": "Failed"}

    def test_a_run_that_takes_too_long_goes_on(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        with pytest.raises(PipelineTimeout):
            runner.run(pipeline, config, until="check_data", timeout=0.0)
        (parent,) = (run for run in seams.runs.search() if run.parent is None)
        assert runner.wait(parent.id, timeout=TIMEOUT).state is RunState.COMPLETED
        with pytest.raises(FAILED, match="alpha is -1"):
            runner.run(pipeline, replace(config, parameters={"alpha": -1}), until="train", timeout=TIMEOUT)

    def test_cancels(self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig) -> None:
        run_id = runner.submit(pipeline, config)
        status = runner.cancel(run_id)
        assert status.state is RunState.CANCELED
        assert seams.runs.get(run_id).state is RunState.CANCELED
        assert "Running" not in states(status).values()
        assert list(seams.models.versions()) == []

    def test_what_is_not_there(self, runner: PipelineRunner, pipeline: Pipeline, tmp_path: Path) -> None:
        for call in (runner.status, runner.logs, runner.cancel, runner.wait):
            with pytest.raises(PipelineNotFound):
                call("no-such-run")
        with pytest.raises(PipelineNotFound):
            runner.output("no-such-run", "train", tmp_path / "x")
        with pytest.raises(PipelineNotFound):
            runner.find(pipeline.name)
        with pytest.raises(PipelineNotFound, match="no step 'nonsense'"):
            runner.run(pipeline, PipelineConfig(), until="nonsense")

    def test_publishes_finds_by_build_and_runs_again(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        one = runner.publish(pipeline, config, build_id="41")
        two = runner.publish(pipeline, replace(config, build_id="42"), build_id="42")
        assert (one.build_id, two.build_id) == ("41", "42")
        assert one.id != two.id
        assert runner.find(pipeline.name, "41").id == one.id
        assert runner.find(pipeline.name).id == two.id
        assert [item.id for item in runner.published(pipeline.name)] == [two.id, one.id]
        assert runner.publish(pipeline, config, build_id="41").id == one.id
        with pytest.raises(PipelineConflict, match="41"):
            runner.publish(pipeline, replace(config, seed=1), build_id="41")
        with pytest.raises(PipelineNotFound, match="'43'"):
            runner.find(pipeline.name, "43")
        with pytest.raises(PipelineError, match="no parameter seed"):
            runner.run(one, parameters={"seed": 3})
        status = runner.run(one, parameters={"parameters": {"alpha": 5.0}, "caller_run_id": "c-7"}, until="train")
        assert (status.state, status.published, status.build_id) == (RunState.COMPLETED, one.id, "41")
        assert runner.result(status.run_id, "train", TrainResult).parameters == {"alpha": 5.0}
        assert seams.runs.get(status.run_id).tags["caller_run_id"] == "c-7"
        # with the settings of the run that it takes up
        again = runner.run(one, resume=status.run_id, start="train", until="train")
        assert runner.result(again.run_id, "train", TrainResult).parameters == {"alpha": 5.0}
        assert seams.runs.get(again.run_id).tags["caller_run_id"] == "c-7"

    def test_a_table_of_the_users(
        self, runner: PipelineRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig, tmp_path: Path
    ) -> None:
        path = tmp_path / "mine.csv"
        dataset.sample().head(200).to_csv(path, index=False)
        version = seams.data.register("diabetes", path)
        status = runner.run(pipeline, replace(config, data_version=version.version), until="train")
        trained = runner.result(status.run_id, "train", TrainResult)
        assert (trained.data, trained.data_digest) == (version.reference, version.digest)
