"""Seams, in memory and as files, and a runner over each."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.config import PipelineConfig
from pipeline.graph import TRAINING
from pipeline.local.executors import Executor, Seams
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from pipeline.runner import PipelineStatus
from tests.pipeline.memory import MemoryData, MemoryModels, MemoryRuns, Shelf


@pytest.fixture
def cold_seams() -> Iterator[Seams]:
    """Empty; nothing to reuse."""
    shelf = Shelf()
    yield Seams(MemoryModels(shelf), MemoryRuns(), MemoryData(shelf))
    shelf.close()


@dataclass(frozen=True)
class Warm:
    """What two trainings left that had nothing to reuse."""

    runner: LocalRunner
    """Of the first one, over seams that nothing else has used."""
    status: PipelineStatus
    """Of the first one."""
    runs: MemoryRuns
    reuse: Path


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Two trainings: look at the first one, and do not change what it left."""
    shelves, runs, work = [Shelf(), Shelf()], MemoryRuns(), tmp_path_factory.mktemp("warm")
    first, second = (
        LocalRunner(Seams(MemoryModels(shelf), runs, MemoryData(shelf)), work, project=ROOT) for shelf in shelves
    )
    config = PipelineConfig(
        who="tester", tags={"team": "blue"},
        build_id="7", build_uri="http://ci/7", git_revision="abc", git_dirty=True,
    )  # fmt: skip
    status = first.run(TRAINING, config)
    second.run(TRAINING, PipelineConfig(parameters={"alpha": 1e5}))
    yield Warm(first, status, runs, work / "reuse")
    for shelf in shelves:
        shelf.close()


@pytest.fixture
def seams(cold_seams: Seams, warm: Warm, tmp_path: Path) -> Seams:
    """No models and no data; but two trainings that the runner may reuse, which saves the tests their time."""
    shutil.copytree(warm.reuse, tmp_path / "pipelines" / "reuse")
    return Seams(cold_seams.models, copy.deepcopy(warm.runs), cold_seams.data)


@pytest.fixture
def make_runner(seams: Seams, tmp_path: Path) -> Callable[..., LocalRunner]:
    def make(executor: Executor | None = None, **options: bool) -> LocalRunner:
        return LocalRunner(seams, tmp_path / "pipelines", project=ROOT, executor=executor, **options)

    return make


@pytest.fixture
def runner(make_runner: Callable[..., LocalRunner]) -> LocalRunner:
    return make_runner()


@pytest.fixture
def config() -> PipelineConfig:
    return PipelineConfig(who="tester")
