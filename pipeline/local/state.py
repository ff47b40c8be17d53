"""What is known of a local run: one JSON file in its folder, replaced whole at every change."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline.config import PipelineConfig
from pipeline.documents import Document
from pipeline.errors import PipelineNotFound
from pipeline.runner import PipelineStatus, StepStatus
from registry.runs import RunState

STATE = "pipeline.json"
CANCEL = "cancel"
DRIVER = "driver.pid"
LOG = "log.txt"


def now() -> str:
    """The time, RFC 3339 in UTC."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def to_time(text: str) -> datetime:
    """The time that :func:`now` wrote."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(frozen=True)
class StepRecord(Document):
    """One step of a local run."""

    name: str
    state: str = RunState.NOT_STARTED.value
    run_id: str | None = None
    started: str | None = None
    ended: str | None = None
    reused: str | None = None
    error: str | None = None
    hint: str | None = None
    exit_code: int | None = None
    output: str | None = None
    """Its output folder: of this run, or of the run whose work is reused."""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord(Document):
    """One local run of a pipeline."""

    run_id: str
    pipeline: str
    config: Mapping[str, Any]
    steps: list[Mapping[str, Any]]
    state: str = RunState.NOT_STARTED.value
    pid: int | None = None
    """The process that drives it."""
    until: str | None = None
    resume: str | None = None
    start: str | None = None
    published: str | None = None
    root: str | None = None
    """The folder whose code runs; ``None``: the project."""
    error: str | None = None
    schema_version: int = 1

    def records(self) -> list[StepRecord]:
        """The steps."""
        return [StepRecord.from_json(item) for item in self.steps]

    def with_step(self, record: StepRecord) -> RunRecord:
        """The same run with one step replaced."""
        steps = [record.to_json() if item["name"] == record.name else item for item in self.steps]
        return replace(self, steps=steps)

    def status(self) -> PipelineStatus:
        """As the seam gives it."""
        config = PipelineConfig.from_json(self.config)
        state, error = RunState(self.state), self.error
        if not state.final and self.pid is not None and not alive(self.pid):
            state, error = RunState.FAILED, "the process that ran it is gone; its completed steps can be resumed"
        steps = tuple(
            StepStatus(
                item.name,
                RunState.FAILED if state.final and item.state == RunState.RUNNING.value else RunState(item.state),
                item.run_id,
                to_time(item.started) if item.started else None,
                to_time(item.ended) if item.ended else None,
                item.reused,
                item.error,
                item.metrics,
            )
            for item in self.records()
        )
        return PipelineStatus(self.run_id, self.pipeline, state, steps, config.build_id, self.published, error)


class StateFolder:
    """The folder of all local runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: str) -> Path:
        """The folder of one run. Raises ``PipelineNotFound`` for what cannot be a run's id."""
        if not run_id or Path(run_id).name != run_id or run_id in (".", ".."):
            raise PipelineNotFound(f"{run_id!r} is not the id of a run")
        return self.root / run_id

    def read(self, run_id: str) -> RunRecord:
        """Read one run. Raises ``PipelineNotFound``."""
        path = self.folder(run_id) / STATE
        if not path.is_file():
            raise PipelineNotFound(f"there is no pipeline run {run_id!r} on this machine", hint="mlops runs list")
        record = RunRecord.read(path)
        driver = self.folder(run_id) / DRIVER
        if record.pid is None and driver.is_file():
            record = replace(record, pid=int(driver.read_text() or 0) or None)
        return record

    def note_driver(self, run_id: str, pid: int) -> None:
        """Say which process was started to drive a run."""
        (self.folder(run_id) / DRIVER).write_text(str(pid))

    def write(self, record: RunRecord) -> RunRecord:
        """Write one run, whole or not at all."""
        folder = self.folder(record.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        scratch = folder / f".{STATE}.{os.getpid()}"
        scratch.write_text(json.dumps(record.to_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
        scratch.replace(folder / STATE)
        return record

    def all(self) -> list[RunRecord]:
        """All runs, newest first."""
        files = sorted(self.root.glob(f"*/{STATE}"), key=lambda item: item.parent.stat().st_ctime_ns, reverse=True)
        return [RunRecord.read(file) for file in files]

    def ask_to_cancel(self, run_id: str) -> None:
        """Leave word for the process that drives the run."""
        (self.folder(run_id) / CANCEL).touch()

    def asked_to_cancel(self, run_id: str) -> bool:
        """Whether somebody did."""
        return (self.folder(run_id) / CANCEL).exists()


def alive(pid: int) -> bool:
    """Whether a process is there (a zombie is not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True
