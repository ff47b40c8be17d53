"""The entry script of ``ParallelRunStep``: one of the processes that a step's files are shared out among.

``init`` is called once a process, ``run`` with a list of paths; its result has one element for each that was done
(https://learn.microsoft.com/azure/machine-learning/v1/how-to-debug-parallel-run-step).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from model.errors import DataUnreadable
from pipeline.azure.step import opened, parse, tell
from pipeline.context import StepContext
from pipeline.graph import PARTS, Each


class Worker:
    """One process.

    Parameters
    ----------
    exit_code_of : callable, optional
        What an error is as an exit code of the program; kept with the run.
    """

    def __init__(self, exit_code_of: Callable[[BaseException], int] | None = None) -> None:
        self._exit_code_of = exit_code_of
        self._context: StepContext | None = None
        self._each: Each | None = None

    def init(self) -> None:
        """Get ready; called once."""
        asked = parse(sys.argv[1:], others=True)
        if asked.left_out:
            return
        asked.output.mkdir(parents=True, exist_ok=True)
        self._context = opened(asked)
        self._each = asked.pipeline.step(asked.step).load_each()(self._context)

    def run(self, mini_batch: Sequence[str]) -> list[str]:
        """Do some files; gives those that were done: each that is missing counts as one that failed.

        A part that fails does not take the others of its mini-batch with it; it is tried once more after them.

        Raises
        ------
        Exception
            What the first part failed with, when nothing was done: Azure calls it again with the same files then.
        """
        if self._each is None or self._context is None:
            return list(mini_batch)
        # Beside the parts lies the result of the step before.
        parts = [name for name in mini_batch if PARTS in Path(name).parts[:-1]]
        failed, stopped = self._tried(self._each, self._context, parts)
        if failed and len(failed) < len(mini_batch):
            failed, more = self._tried(self._each, self._context, list(failed))
            stopped |= more
        if failed:
            first = next(iter(failed.values()))
            if not stopped:  # a row that must stop the run is told already, and is why it ends
                tell(self._context, first, self._exit_code_of)
            if len(failed) == len(mini_batch):
                raise first
        return [name for name in mini_batch if name not in failed and name not in stopped]

    def _tried(self, each: Each, context: StepContext, parts: Sequence[str]) -> tuple[dict[str, Exception], set[str]]:
        """Do parts; gives the errors of those that failed, and which have a row that must stop the run."""
        failed: dict[str, Exception] = {}
        stopped = set()
        for name in parts:
            try:
                wrong = each(Path(name))
            except Exception as error:
                context.progress(f"{name}: {str(error) or type(error).__name__}")
                failed[name] = error
                continue
            if wrong is not None:
                error_of_row = DataUnreadable(wrong, hint="mend the row, or leave out --stop-on-bad-row")
                tell(context, error_of_row, self._exit_code_of)
                stopped.add(name)
        return failed, stopped

    def shutdown(self) -> None:
        """End; called once."""
        if self._each is not None:
            self._each.close()
