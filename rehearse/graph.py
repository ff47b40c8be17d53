"""What both kinds of pipeline expand to: stages of jobs of steps; what is left to look up, only a run can know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Step:
    """One step. ``uses`` is the task or action (``AzureCLI@2``, ``actions/checkout@v4``), or ``script``."""

    uses: str
    inputs: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    title: str = ""
    condition: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    continue_on_error: str = "false"
    enabled: bool = True
    shell: str | None = None
    where: str | None = None

    @property
    def script(self) -> str | None:
        """The script that the step runs, if it runs one."""
        for key in ("script", "inlineScript", "run"):
            if key in self.inputs:
                return str(self.inputs[key])
        return None


@dataclass
class Variable:
    """One entry of ``variables``: a value, or a group from the library when ``group`` is set."""

    name: str
    value: str = ""
    group: str | None = None
    secret: bool = False
    where: str | None = None


@dataclass
class Job:
    """One job. ``hooks`` holds its steps: ``steps``, or the hooks of a deployment (``deploy``, ``on.failure`` ...)."""

    name: str
    hooks: dict[str, list[Step]]
    title: str = ""
    needs: list[str] = field(default_factory=list)
    condition: str | None = None
    variables: list[Variable] = field(default_factory=list)
    environment: str | None = None
    deployment: bool = False
    matrix: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """GitHub: names of outputs and the expressions that give them."""
    continue_on_error: str = "false"
    pool: Any = None
    where: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    minutes: int = 60
    """After so many it is stopped, and counts as canceled."""

    @property
    def steps(self) -> Iterator[Step]:
        """All steps of all hooks, in order."""
        for steps in self.hooks.values():
            yield from steps


@dataclass
class Stage:
    """One stage. A job of GitHub is a stage of one job."""

    name: str
    jobs: list[Job]
    title: str = ""
    needs: list[str] = field(default_factory=list)
    condition: str | None = None
    variables: list[Variable] = field(default_factory=list)
    where: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pipeline:
    """One expanded pipeline."""

    name: str
    file: str
    kind: str
    """``azure`` or ``github``."""
    stages: list[Stage]
    variables: list[Variable] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    triggers: dict[str, Any] = field(default_factory=dict)
    """As written: ``trigger``, ``pr``, ``schedules``, ``pipelines`` (Azure); ``on`` (GitHub)."""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def jobs(self) -> Iterator[tuple[Stage, Job]]:
        """All jobs with their stage, in the order of the file."""
        for stage in self.stages:
            for job in stage.jobs:
                yield stage, job
