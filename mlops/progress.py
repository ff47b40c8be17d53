"""Progress of a flow of steps: a live table on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from mlops.output import Output

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

WAITING, RUNNING, DONE, SKIPPED, FAILED = "waiting", "running", "done", "skipped", "failed"
INTERRUPTED = "interrupted"
_STYLES = {
    WAITING: "dim",
    RUNNING: "bold cyan",
    DONE: "green",
    SKIPPED: "yellow",
    FAILED: "bold red",
    INTERRUPTED: "bold yellow",
}


def ended_by(error: BaseException) -> str:
    """The state of a step that `error` ended."""
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


@dataclass
class Step:
    """One step of the flow."""

    name: str
    state: str = WAITING
    note: str = ""
    seconds: float | None = None
    started: float | None = field(default=None, repr=False)


class Board:
    """The steps of one flow, shown while they run.

    Parameters
    ----------
    output : mlops.output.Output
        Decides whether a person watches.
    names : sequence of str
        The steps, in order.
    """

    def __init__(self, output: Output, names: Sequence[str]) -> None:
        self.output = output
        self.steps = [Step(name) for name in names]
        self._current: Step | None = None
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if self.output.live:
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self.output.stderr)
            self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._live = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run one step: an exception marks it failed and goes on up."""
        step = next(step for step in self.steps if step.name == name)
        index = self.steps.index(step) + 1
        step.state, step.started = RUNNING, time.monotonic()
        self._current = step
        self._plain(f"[{index}/{len(self.steps)}] {name} ...")
        try:
            yield step
        except BaseException as error:
            self._end(step, ended_by(error))
            self._plain(f"      {step.state} in {step.seconds:.1f} s")
            raise
        self._end(step, DONE if step.state == RUNNING else step.state)
        self._plain(f"      {step.state} in {step.seconds:.1f} s{': ' + step.note if step.note else ''}")

    def skip(self, name: str, why: str) -> None:
        """Mark a step as not needed."""
        step = next(step for step in self.steps if step.name == name)
        step.state, step.note = SKIPPED, why
        self._plain(f"[{self.steps.index(step) + 1}/{len(self.steps)}] {name}: skipped: {why}")

    def say(self, line: str) -> None:
        """One line about the step that runs now."""
        if self._live is not None and self._current is not None:
            self._current.note = line
        else:
            self._plain(f"      {line}")

    def mark(self, name: str, state: str, note: str = "") -> None:
        """Set the state of a step that was not run from here."""
        step = next(step for step in self.steps if step.name == name)
        if step.state == WAITING:
            self._plain(
                f"[{self.steps.index(step) + 1}/{len(self.steps)}] {name}: {state}{': ' + note if note else ''}"
            )
        step.state, step.note = state, note or step.note

    def _end(self, step: Step, state: str) -> None:
        step.state = state
        step.seconds = time.monotonic() - (step.started or time.monotonic())
        self._current = None

    def _plain(self, line: str) -> None:
        if self._live is None:
            self.output.say(line)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        table.add_column("step")
        table.add_column("state")
        table.add_column("time", justify="right")
        table.add_column("", overflow="fold")
        for step in self.steps:
            seconds = step.seconds
            if seconds is None and step.started is not None:
                seconds = time.monotonic() - step.started
            shown = "" if seconds is None else f"{seconds:.1f} s"
            table.add_row(step.name, f"[{_STYLES[step.state]}]{step.state}[/]", shown, step.note)
        return table
