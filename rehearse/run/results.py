"""Outcomes of steps, jobs, stages and pipelines, and what the live table is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SUCCEEDED, ISSUES, FAILED, SKIPPED, CANCELED = "Succeeded", "SucceededWithIssues", "Failed", "Skipped", "Canceled"
PENDING, RUNNING, WAITING = "Pending", "Running", "Waiting"
GOOD = (SUCCEEDED, ISSUES)
MINUTE = 60.0
"""Seconds in a minute of time limits; tests have shorter ones."""
LAST_MINUTES = 5
"""How long steps that run always may take in a job that has reached its time limit."""


@dataclass
class StepResult:
    """One step that ran or was skipped."""

    title: str
    uses: str
    where: str | None
    command: str | None = None
    state: str = PENDING
    exit_code: int | None = None
    seconds: float = 0.0
    note: str = ""
    output: list[str] = field(default_factory=list)


@dataclass
class JobResult:
    """One job of a stage."""

    name: str
    title: str
    state: str = PENDING
    environment: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[StepResult] = field(default_factory=list)
    note: str = ""
    started: float = 0.0
    seconds: float = 0.0


@dataclass
class StageResult:
    """One stage of a pipeline."""

    name: str
    title: str
    state: str = PENDING
    jobs: dict[str, JobResult] = field(default_factory=dict)
    note: str = ""
    checks: list[str] = field(default_factory=list)
    """What was asked before it could start: approvals, locks."""


@dataclass
class RunResult:
    """One run of a pipeline."""

    pipeline: str
    id: str
    reason: str
    state: str = PENDING
    stages: dict[str, StageResult] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def steps(self) -> list[StepResult]:
        """Every step, in the order of running."""
        return [step for stage in self.stages.values() for job in stage.jobs.values() for step in job.steps]

    def ran(self) -> list[str]:
        """The commands that ran, in order."""
        return [step.command for step in self.steps() if step.command and step.state in (*GOOD, FAILED, CANCELED)]


def combined(states: list[str]) -> str:
    """The state of a stage from those of its jobs, or of a run from those of its stages."""
    if CANCELED in states:
        return CANCELED
    if FAILED in states:
        return FAILED
    if ISSUES in states:
        return ISSUES
    if states and all(state == SKIPPED for state in states):
        return SKIPPED
    return SUCCEEDED


Observer = Callable[[RunResult, Any], None]
"""Called with the run and what changed (a stage, job, step result, or a line of output) after each change."""


def nobody(run: RunResult, changed: Any) -> None:
    """The observer that does nothing."""
