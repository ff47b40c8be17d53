"""Steps of the training pipeline in containers of a real Docker engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from pipeline.config import PipelineConfig
from pipeline.errors import StepFailed
from pipeline.graph import TRAINING
from pipeline.local.container import Container
from pipeline.local.executors import Seams
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from pipeline.results import TrainResult
from pipeline.runner import PipelineStatus
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from registry.runs import RunState

DEADLINE = 240.0


@pytest.fixture
def seams(tmp_path: Path) -> Seams:
    state = tmp_path / "state"
    return Seams(FileModelRegistry(state / "registry"), FileRunHistory(state / "runs"), FileDataSets(state / "data"))


@pytest.fixture
def runner(seams: Seams, tmp_path: Path, cache: Path, engine: Engine) -> LocalRunner:
    state = tmp_path / "state"
    state.mkdir()
    env = {"MLOPS_BACKEND": "local", "MLOPS_STATE": str(state)}
    executor = Container(ROOT, state, cache, env=env, engine=engine)
    return LocalRunner(seams, state / "pipelines", project=ROOT, executor=executor)


def left(engine: Engine, run_id: str | None = None) -> list[str]:
    found = engine.client.containers.list(all=True, filters={"label": "mlops.step"}, ignore_removed=True)
    return [item.id for item in found if run_id is None or item.labels.get("mlops.run") == run_id]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_the_same_model_as_in_a_process(runner: LocalRunner, seams: Seams, engine: Engine, tmp_path: Path) -> None:
    config = PipelineConfig()
    status = runner.run(TRAINING, config)
    assert status.state is RunState.COMPLETED
    inside = runner.result(status.run_id, "train", TrainResult)
    here = LocalRunner(seams, tmp_path / "here", project=ROOT)
    outside = here.result(here.run(TRAINING, config, until="train").run_id, "train", TrainResult)
    assert inside.model_digest == outside.model_digest
    assert seams.models.get("diabetes", 1).digest == inside.model_digest
    assert [step.run_id for step in status.steps if step.run_id and left(engine, step.run_id)] == []


def test_a_failed_step_says_why_and_leaves_no_container(runner: LocalRunner, seams: Seams, engine: Engine) -> None:
    with pytest.raises(StepFailed, match="alpha is -1") as caught:
        runner.run(TRAINING, replace(PipelineConfig(), parameters={"alpha": -1}))
    assert caught.value.exit_code == 5
    runs = [run.id for run in seams.runs.search()]
    assert [run_id for run_id in runs if left(engine, run_id)] == []


def test_cancel_removes_the_container(runner: LocalRunner, seams: Seams, engine: Engine) -> None:
    ended: list[PipelineStatus] = []
    thread = threading.Thread(target=lambda: ended.append(runner.run(TRAINING, PipelineConfig())))
    thread.start()

    def running() -> list[str]:
        return [run.id for run in seams.runs.search(state=RunState.RUNNING) if run.parent and left(engine, run.id)]

    until(lambda: bool(running()))
    (step,) = running()
    parent = next(run.id for run in seams.runs.search() if run.parent is None)
    assert runner.cancel(parent).state is RunState.CANCELED
    thread.join(DEADLINE)
    assert [status.state for status in ended] == [RunState.CANCELED]
    assert left(engine, step) == []
