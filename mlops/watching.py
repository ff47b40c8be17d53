"""A pipeline run's steps on a board: from the lines ``step: text`` that a runner reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from mlops.progress import DONE, Board, Step, ended_by

if TYPE_CHECKING:
    from mlops.app import App
    from pipeline.config import PipelineConfig
    from pipeline.graph import Pipeline
    from pipeline.runner import PipelineStatus, PublishedPipeline, StepStatus


class Watch:
    """Shows the steps of one run.

    Parameters
    ----------
    board : mlops.progress.Board
    names : mapping of str to str
        What the board calls each step.
    """

    def __init__(self, board: Board, names: Mapping[str, str]) -> None:
        self.board = board
        self.names = names
        self._shown: str | None = None
        self._context: AbstractContextManager[Step] | None = None
        self._step: Step | None = None

    def line(self, text: str) -> None:
        """One line of a runner's progress."""
        name, _, rest = text.partition(": ")
        shown = self.names.get(name)
        if shown is None:
            self.board.say(text)
            return
        if self._shown != shown:
            self.close(DONE)
            self._shown, self._context = shown, self.board.step(shown)
            self._step = self._context.__enter__()
        if rest != "started":
            self.board.say(rest)

    def close(self, state: str) -> None:
        """The step that runs now has ended."""
        if self._context is not None and self._step is not None:
            if state != DONE:
                self._step.state = state
            self._context.__exit__(None, None, None)
        self._shown = self._context = self._step = None

    def ended(self, status: PipelineStatus) -> None:
        """Steps that reported nothing have ended all the same; those that did get their metrics."""
        self.close(DONE)
        for step in status.steps:
            if step.state.value == "Completed":
                self.board.mark(self.names.get(step.name, step.name), DONE, _note(step))


@contextmanager
def watched(board: Board, names: Mapping[str, str]) -> Iterator[Watch]:
    """Watch a run; an exception marks the step that ran as failed."""
    watch = Watch(board, names)
    try:
        yield watch
    except BaseException as error:
        watch.close(ended_by(error))
        raise


def follow(
    app: App, what: Pipeline | PublishedPipeline, config: PipelineConfig | None, steps: Pipeline, **options: Any
) -> PipelineStatus:
    """Run with a live table of `steps` on a terminal, plain lines otherwise; `options` are those of the runner."""
    runner = app.backend.pipelines
    if not app.output.live:
        return runner.run(what, config, progress=app.output.say, **options)
    names = {step.name: step.name for step in steps.steps}
    with Board(app.output, list(names)) as board, watched(board, names) as watch:
        status = runner.run(what, config, progress=watch.line, **options)
        watch.ended(status)
    return status


def _note(step: StepStatus) -> str:
    if step.reused:
        return f"reused: {step.reused}"
    return ", ".join(f"{name} {value:.6g}" for name, value in step.metrics.items())
