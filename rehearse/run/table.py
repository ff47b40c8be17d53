"""The stage table: live while a rehearsal runs on a terminal, plain lines elsewhere, and once more at the end."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from rehearse.run.results import (
    CANCELED,
    FAILED,
    ISSUES,
    PENDING,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    JobResult,
    RunResult,
    StageResult,
    StepResult,
)

_STYLE = {
    SUCCEEDED: "green",
    ISSUES: "yellow",
    FAILED: "bold red",
    SKIPPED: "dim",
    CANCELED: "red",
    PENDING: "dim",
    RUNNING: "cyan",
    WAITING: "magenta",
}


class Board(AbstractContextManager["Board"]):
    """Shows runs as they go; an :data:`~rehearse.run.results.Observer`."""

    def __init__(self, console: Console | None = None, verbose: bool = False) -> None:
        self.console = console or Console(stderr=True)
        self.verbose = verbose
        self.runs: list[RunResult] = []
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if self.console.is_terminal and not self.verbose:
            self._live = Live(self.table(), console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, run: RunResult, changed: Any) -> None:
        if run not in self.runs:
            self.runs.append(run)
        if self._live is not None:
            self._live.update(self.table())
            return
        if isinstance(changed, str):
            if self.verbose:
                self.console.print(f"    | {changed}", markup=False, highlight=False, soft_wrap=True)
            return
        line = _line(run, changed)
        if line:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def table(self) -> Table:
        """All runs so far, a row a job."""
        table = Table(title="Rehearsal", title_justify="left", expand=False)
        for name in ("pipeline", "stage", "job", "environment", "state", "steps", "seconds", "note"):
            table.add_column(name, justify="right" if name in ("steps", "seconds") else "left", overflow="fold")
        for run in self.runs:
            for stage in run.stages.values():
                for job in stage.jobs.values():
                    table.add_row(*_row(run, stage, job))
            table.add_section()
        return table

    def finish(self) -> None:
        """Print the table once, for good."""
        Console(file=sys.stdout, width=None if self.console.is_terminal else 160).print(self.table())


def _row(run: RunResult, stage: StageResult, job: JobResult) -> tuple[str, ...]:
    state = stage.state if stage.state in (WAITING, CANCELED) else job.state
    over = [step for step in job.steps if step.state not in (PENDING, RUNNING)]
    seconds = (
        job.seconds if job.state not in (RUNNING, PENDING) else time.monotonic() - job.started if job.started else 0
    )
    notes = [*stage.checks, stage.note, *(step.note for step in job.steps if step.state == FAILED)]
    running = next((step.title for step in job.steps if step.state == RUNNING), "")
    failed = next((step.title for step in job.steps if step.state == FAILED), "")
    note = "; ".join(dict.fromkeys(part for part in (*notes, running or (failed and f"failed: {failed}")) if part))
    style = _STYLE.get(state, "")
    shown = f"[{style}]{state}[/]" if style else state
    return (
        f"{run.pipeline} {run.id}",
        stage.title,
        job.title,
        job.environment or "",
        shown,
        str(len(over)) if over else "",
        f"{seconds:.1f}" if seconds else "",
        note,
    )


def _line(run: RunResult, changed: Any) -> str:
    head = f"{run.pipeline} {run.id}"
    if isinstance(changed, StepResult):
        if changed.state in (RUNNING, PENDING):
            return ""
        note = f"  ({changed.note})" if changed.note else ""
        return f"{head}     {changed.state:<20}{changed.seconds:6.1f} s  {changed.title}{note}"
    if isinstance(changed, JobResult) and changed.state == RUNNING:
        return f"{head}   job {changed.title}" + (f" -> {changed.environment}" if changed.environment else "")
    if isinstance(changed, StageResult):
        note = "; ".join([*changed.checks, changed.note]).strip("; ")
        return f"{head} stage {changed.title}: {changed.state}" + (f" ({note})" if note else "")
    if isinstance(changed, RunResult) and changed.state != RUNNING:
        return f"{head} {changed.state} in {changed.seconds:.1f} s"
    return ""
