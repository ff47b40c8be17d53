"""The workflows of a project, by name, and running them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearse.errors import PipelineError, RehearseError
from rehearse.github.build import workflow
from rehearse.github.check import problems
from rehearse.graph import Pipeline
from rehearse.run.github_engine import GithubEngine
from rehearse.run.project import Project
from rehearse.run.results import RunResult

_EVENTS = {"PullRequest": "pull_request", "IndividualCI": "push", "Schedule": "schedule", "Manual": "workflow_dispatch"}


class GithubWorkflows:
    """Workflows of one repository. ``overrides`` are variables of the files, and of the repository (``vars``)."""

    kind = "github"

    def __init__(self, root: Path, project: Project, overrides: Mapping[str, str] | None = None) -> None:
        self.root, self.project, self.overrides = root, project, dict(overrides or {})

    def names(self) -> list[str]:
        """Short names of the workflows."""
        return list(self.project.workflows)

    def expand(self, name: str, parameters: Mapping[str, Any] | None = None, reason: str = "Manual") -> Pipeline:
        """One workflow, with those that it calls."""
        if name not in self.project.workflows:
            raise PipelineError(
                f"there is no workflow {name!r}", hint=f"there are: {', '.join(self.project.workflows)}"
            )
        read = workflow(self.root / self.project.workflows[name], self.root, name)
        for entry in [*read.variables, *(entry for stage in read.stages for entry in stage.variables)]:
            if entry.name in self.overrides:
                entry.value = self.overrides[entry.name]
        return read

    def problems(self, name: str) -> list[RehearseError]:
        """What is wrong with a workflow, without running it."""
        try:
            return problems(self.expand(name), self.project)
        except RehearseError as error:
            return [error]

    def run(
        self,
        engine: GithubEngine,
        name: str,
        *,
        reason: str = "Manual",
        parameters: Mapping[str, Any] | None = None,
        queue: Mapping[str, str] | None = None,
    ) -> list[RunResult]:
        """Run a workflow; those that it starts are called by it and part of its run."""
        engine.variables = {**engine.variables, **self.overrides}
        inputs = {**_defaults(self.expand(name)), **(queue or {}), **(parameters or {})}
        return [engine.run(self.expand(name), reason=_EVENTS[reason], inputs=inputs)]


def _defaults(pipeline: Pipeline) -> dict[str, Any]:
    on = pipeline.triggers["on"]
    declared = ((on.get("workflow_dispatch") or {}).get("inputs") or {}) if isinstance(on, dict) else {}
    return {str(name): value.get("default", "") for name, value in declared.items() if isinstance(value, dict)}
