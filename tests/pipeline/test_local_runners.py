"""The contract of ``PipelineRunner``, with steps in this process and in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import PipelineConfig
from pipeline.errors import StepFailed
from pipeline.graph import Pipeline
from pipeline.local.executors import InProcess, Seams, Subprocess
from pipeline.local.runner import LocalRunner
from pipeline.local.state import alive
from pipeline.provenance import ROOT
from pipeline.runner import PipelineStatus
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from registry.runs import RunState
from tests.contract.batches import BatchContract
from tests.contract.pipelines import TIMEOUT, PipelineRunnerContract


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


class LocalRunners(PipelineRunnerContract):
    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        return tmp_path / "state"

    @pytest.fixture
    def env(self, state: Path, pipeline: Pipeline) -> dict[str, str]:
        return {"MLOPS_BACKEND": "local", "MLOPS_STATE": str(state), "MLOPS_PIPELINE_NAME": pipeline.name}

    @pytest.fixture
    def seams(self, state: Path) -> Seams:
        return Seams(
            FileModelRegistry(state / "registry"), FileRunHistory(state / "runs"), FileDataSets(state / "data")
        )


@pytest.mark.slow
class TestInProcess(LocalRunners):
    @pytest.fixture
    def runner(self, seams: Seams, state: Path, env: dict[str, str]) -> LocalRunner:
        return LocalRunner(seams, state / "pipelines", project=ROOT, executor=InProcess(), env=env)


@pytest.mark.slow
class TestSubprocess(LocalRunners, BatchContract):
    @pytest.fixture
    def runner(self, seams: Seams, state: Path, env: dict[str, str]) -> LocalRunner:
        return LocalRunner(seams, state / "pipelines", project=ROOT, executor=Subprocess(ROOT, env=env), env=env)

    def test_a_step_that_is_killed(self, seams: Seams, state: Path, pipeline: Pipeline, config: PipelineConfig) -> None:
        command = (sys.executable, "-c", "import os; print('about to die', flush=True); os.kill(os.getpid(), 9)")
        runner = LocalRunner(seams, state / "pipelines", project=ROOT, executor=Subprocess(ROOT, command=command))
        with pytest.raises(StepFailed, match="check_data was ended by signal 9: about to die") as caught:
            runner.run(pipeline, config)
        assert caught.value.step == "check_data"
        assert "about to die" in caught.value.logs
        (parent,) = (run for run in seams.runs.search() if run.parent is None)
        assert parent.state is RunState.FAILED
        assert "about to die" in runner.logs(parent.id, "check_data")

    def test_the_exit_code_of_a_step_is_handed_on(
        self, runner: LocalRunner, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        with pytest.raises(StepFailed, match="99") as caught:
            runner.run(pipeline, replace(config, data_version=99))
        assert caught.value.exit_code == 3

    def test_cancel_ends_everything_that_a_step_has_started(
        self, seams: Seams, state: Path, pipeline: Pipeline, config: PipelineConfig, tmp_path: Path
    ) -> None:
        pids = tmp_path / "pids"
        program = (
            "import os, subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
            f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\n"
            "time.sleep(600)\n"
        )
        executor = Subprocess(ROOT, command=(sys.executable, "-c", program))
        runner = LocalRunner(seams, state / "pipelines", project=ROOT, executor=executor)
        statuses: list[PipelineStatus] = []
        from threading import Thread

        thread = Thread(target=lambda: statuses.append(runner.run(pipeline, config)))
        thread.start()
        until(pids.exists)
        (run,) = (item for item in seams.runs.search() if item.parent is None)
        assert runner.cancel(run.id).state is RunState.CANCELED
        thread.join(TIMEOUT)
        assert [item.state for item in statuses] == [RunState.CANCELED]
        for pid in pids.read_text().split():
            until(lambda pid=int(pid): not alive(pid))  # type: ignore[misc]

    def test_ctrl_c_cancels_the_run_and_leaves_no_process(self, state: Path, seams: Seams, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "mlops", "pipeline", "run"]
        child = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stderr=subprocess.PIPE, start_new_session=True
        )

        def running() -> list[str]:
            return [run.id for run in seams.runs.search(state=RunState.RUNNING) if run.parent is not None]

        until(lambda: bool(running()))
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=TIMEOUT)
        assert child.returncode == 130, errors
        parent = next(run for run in seams.runs.search() if run.parent is None)
        assert parent.state is RunState.CANCELED
        assert running() == []

    def test_a_driver_that_is_killed_is_noticed_and_its_run_resumed(
        self, runner: LocalRunner, seams: Seams, pipeline: Pipeline, config: PipelineConfig
    ) -> None:
        run_id = runner.submit(pipeline, config)

        def driven() -> bool:
            return runner.state.read(run_id).state == RunState.RUNNING.value

        until(driven)
        pid = runner.state.read(run_id).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        status = runner.wait(run_id, timeout=TIMEOUT)
        assert status.state is RunState.FAILED
        assert "gone" in str(status.error)
        assert runner.run(pipeline, resume=run_id).state is RunState.COMPLETED
