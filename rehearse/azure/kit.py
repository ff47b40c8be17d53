"""The Azure pipelines of a project, by name, and running them with what they trigger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearse.azure.build import pipeline
from rehearse.azure.check import problems
from rehearse.errors import PipelineError, RehearseError
from rehearse.graph import Pipeline
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.project import Project
from rehearse.run.results import RunResult
from rehearse.triggers import started_by

MAIN = "refs/heads/main"


class AzurePipelines:
    """Pipelines of one project.

    Parameters
    ----------
    root : pathlib.Path
        The repository.
    project : Project
        What is not in the YAML.
    overrides : mapping of str to str, optional
        Variables of the YAML to change for this rehearsal, such as ``MLOPS_BACKEND``.
    """

    kind = "azure"

    def __init__(self, root: Path, project: Project, overrides: Mapping[str, str] | None = None) -> None:
        self.root, self.project, self.overrides = root, project, dict(overrides or {})

    def names(self) -> list[str]:
        """Names of the pipelines."""
        return list(self.project.pipelines)

    def expand(self, name: str, parameters: Mapping[str, Any] | None = None, reason: str = "Manual") -> Pipeline:
        """One pipeline, expanded."""
        if name not in self.project.pipelines:
            raise PipelineError(
                f"there is no pipeline {name!r}", hint=f"there are: {', '.join(self.project.pipelines)}"
            )
        predefined = {"Build.Reason": reason, "Build.SourceBranch": MAIN, "Build.SourceBranchName": "main"}
        file = self.root / self.project.pipelines[name]
        return pipeline(file, self.root, dict(parameters or {}), predefined, name, self.overrides)

    def problems(self, name: str) -> list[RehearseError]:
        """What is wrong with a pipeline, without running it."""
        try:
            return problems(self.expand(name), self.project)
        except RehearseError as error:
            return [error]

    def run(
        self,
        engine: AzureEngine,
        name: str,
        *,
        reason: str = "Manual",
        parameters: Mapping[str, Any] | None = None,
        queue: Mapping[str, str] | None = None,
    ) -> list[RunResult]:
        """Run a pipeline and those that its end triggers."""
        results = [engine.run(self.expand(name, parameters, reason), reason=reason, queue=queue)]
        others = [self.expand(other) for other in self.names() if other != name]
        for triggered, alias in started_by(results[0], MAIN, others):
            results.append(
                engine.run(
                    self.expand(triggered.name, None, "ResourceTrigger"),
                    reason="ResourceTrigger",
                    queue={"resources.triggeringAlias": alias},
                    chosen_runs={name: results[0].id},
                )
            )
        return results
