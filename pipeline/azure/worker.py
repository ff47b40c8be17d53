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
        """Do some files; gives those that were done. Azure calls it again with the same files when it raises."""
        if self._each is None or self._context is None:
            return list(mini_batch)
        done = []
        for name in mini_batch:
            path = Path(name)
            if PARTS in path.parts[:-1]:  # beside the parts lies the result of the step before
                try:
                    wrong = self._each(path)
                except Exception as error:
                    tell(self._context, error, self._exit_code_of)
                    raise
                if wrong is not None:
                    error_of_row = DataUnreadable(wrong, hint="mend the row, or leave out --stop-on-bad-row")
                    tell(self._context, error_of_row, self._exit_code_of)
                    continue
            done.append(name)
        return done

    def shutdown(self) -> None:
        """End; called once."""
        if self._each is not None:
            self._each.close()
