"""Run the script of one step: shell, environment, output, logging commands, secrets hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import PipelineError
from rehearse.run import process
from rehearse.run.results import StepResult

KEPT_LINES = 400
PATIENCE = 900.0
"""Seconds that a script may take in a rehearsal, whatever its job allows."""


def left(deadline: float) -> float:
    """Seconds that a script has until `deadline`."""
    return max(min(PATIENCE, deadline - time.monotonic()), 0.0)


@dataclass
class Script:
    """A script that is ready to run: everything in it is resolved."""

    text: str
    cwd: Path
    env: Mapping[str, str]
    file: Path
    shell: tuple[str, ...] = ("bash", "--noprofile", "--norc")
    timeout: float = PATIENCE
    place: str | None = None


def run(script: Script, result: StepResult, hear: Callable[[str], str | None]) -> int:
    """Run it; `hear` gets each line and returns what may be shown of it (``None``: nothing)."""
    if not script.cwd.is_dir():
        raise PipelineError(f"the working directory {script.cwd.name!r} does not exist", where=script.place)
    script.file.parent.mkdir(parents=True, exist_ok=True)
    script.file.write_text(script.text if script.text.endswith("\n") else script.text + "\n", encoding="utf-8")

    def line(content: str) -> None:
        shown = hear(content)
        if shown is not None:
            result.output.append(shown)
            del result.output[:-KEPT_LINES]

    return process.run(
        [*script.shell, str(script.file)], cwd=script.cwd, env=script.env, line=line, timeout=script.timeout
    )
