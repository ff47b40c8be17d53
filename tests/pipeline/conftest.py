"""Seams, in memory and as files, and a runner over each."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.config import PipelineConfig
from pipeline.graph import TRAINING
from pipeline.local.executors import Executor, Seams
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from tests.pipeline.memory import MemoryData, MemoryModels, MemoryRuns, Shelf


@pytest.fixture
def cold_seams() -> Iterator[Seams]:
    """Empty; nothing to reuse."""
    shelf = Shelf()
    yield Seams(MemoryModels(shelf), MemoryRuns(), MemoryData(shelf))
    shelf.close()


@pytest.fixture(scope="session")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MemoryRuns, Path]]:
    shelf, runs, work = Shelf(), MemoryRuns(), tmp_path_factory.mktemp("warm")
    runner = LocalRunner(Seams(MemoryModels(shelf), runs, MemoryData(shelf)), work, project=ROOT)
    for parameters in ({}, {"alpha": 1e5}):
        runner.run(TRAINING, PipelineConfig(parameters=parameters))
    yield runs, work / "reuse"
    shelf.close()


@pytest.fixture
def seams(cold_seams: Seams, _warm: tuple[MemoryRuns, Path], tmp_path: Path) -> Seams:
    """No models and no data; but two trainings that the runner may reuse, which saves the tests their time."""
    runs, reuse = _warm
    shutil.copytree(reuse, tmp_path / "pipelines" / "reuse")
    return Seams(cold_seams.models, copy.deepcopy(runs), cold_seams.data)


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
