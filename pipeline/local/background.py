"""Runs that another process drives: start, wait, cancel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from pipeline.errors import PipelineConflict, PipelineError, PipelineTimeout, StepFailed
from pipeline.local.state import RunRecord
from pipeline.runner import PipelineStatus, Progress
from registry.runs import RunState

if TYPE_CHECKING:
    from pipeline.local.runner import LocalRunner

INTERVAL = 0.1
"""Seconds between two looks."""


def start(runner: LocalRunner, record: RunRecord) -> None:
    """Start ``mlops pipeline drive`` for a prepared run; it outlives this process."""
    folder = runner.state.folder(record.run_id)
    command = [sys.executable, "-m", "mlops", "pipeline", "drive", record.run_id, "--project", str(runner.project)]
    with (folder / "driver.txt").open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=runner.project,
            env={**os.environ, **runner.env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Until the driver has written its own id into the record, this says who to look for.
    runner.state.note_driver(record.run_id, child.pid)


def wait(
    runner: LocalRunner, run_id: str, *, timeout: float | None = None, progress: Progress | None = None
) -> PipelineStatus:
    """Look until the run has ended; pass on which step is in which state."""
    deadline = None if timeout is None else time.monotonic() + timeout
    shown: dict[str, RunState] = {}
    while True:
        status = runner.status(run_id)
        for step in status.steps:
            if progress and shown.get(step.name, RunState.NOT_STARTED) is not step.state:
                shown[step.name] = step.state
                progress(f"{step.name}: {step.state.value}" + (f" (reused: {step.reused})" if step.reused else ""))
        if status.state.final:
            return status
        if deadline is not None and time.monotonic() > deadline:
            raise PipelineTimeout(
                f"run {run_id} is {status.state.value} after {timeout:g} s", hint=f"mlops pipeline cancel {run_id}"
            )
        time.sleep(INTERVAL)


def raise_failure(runner: LocalRunner, status: PipelineStatus) -> None:
    """Raise what made a run fail that another process drove."""
    if status.state is not RunState.FAILED:
        return
    for record in runner.state.read(status.run_id).records():
        if record.state == RunState.FAILED.value:
            raise StepFailed(
                record.error or "it failed",
                step=record.name,
                exit_code=record.exit_code or 1,
                logs=runner.logs(status.run_id, record.name),
                hint=record.hint,
            )
    raise PipelineError(status.error or f"run {status.run_id} failed", hint=f"mlops pipeline logs {status.run_id}")


def cancel(runner: LocalRunner, run_id: str, *, timeout: float = 120.0) -> PipelineStatus:
    """Leave word, and wait until the driver has ended the run."""
    status = runner.status(run_id)
    if status.state.final:
        raise PipelineConflict(f"run {run_id} has ended already: {status.state.value}")
    runner.state.ask_to_cancel(run_id)
    return wait(runner, run_id, timeout=timeout)
