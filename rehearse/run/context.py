"""What a task or action is given: its resolved inputs, the job's folders, and the run that it belongs to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rehearse.graph import Job, Step
from rehearse.run.project import Project
from rehearse.run.results import StepResult
from rehearse.run.world import World


@dataclass
class Folders:
    """Folders of one job on its agent."""

    workspace: Path
    sources: Path
    staging: Path
    temp: Path
    home: Path

    @classmethod
    def make(cls, base: Path) -> Folders:
        """Make them below `base`."""
        folders = cls(base, base / "s", base / "a", base / "_temp", base / "_home")
        for folder in (folders.sources, folders.staging, folders.temp, folders.home):
            folder.mkdir(parents=True, exist_ok=True)
        return folders


@dataclass
class StepContext:
    """One step that is about to run."""

    world: World
    project: Project
    step: Step
    job: Job
    result: StepResult
    folders: Folders
    run_folder: Path
    inputs: dict[str, str]
    env: dict[str, str]
    hear: Callable[[str], str | None]
    resources: dict[str, str] = field(default_factory=dict)
    """Azure: alias of a pipeline resource, and the name of that pipeline."""
    chosen_runs: dict[str, str] = field(default_factory=dict)
    """Run ids of pipeline resources, by name of the pipeline; else the newest run."""
    number: int = 0
    deadline: float = math.inf
    """When the job reaches its time limit, as :func:`time.monotonic` counts."""

    def flag(self, name: str) -> bool:
        """Whether an input is ``true``."""
        return self.inputs.get(name, "").strip().lower() == "true"

    def late(self) -> bool:
        """Whether the job has reached its time limit."""
        return time.monotonic() >= self.deadline

    def say(self, line: str) -> None:
        """A line of the step's log."""
        self.result.output.append(line)

    def inside(self, text: str) -> Path:
        """A path of an input: relative ones start at the sources."""
        path = Path(text)
        return path if path.is_absolute() else self.folders.sources / path
