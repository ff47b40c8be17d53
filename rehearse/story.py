"""The rehearsal as a whole: the pipelines in the order of a real week, and what must be true after each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rehearse.clouds import open_cloud
from rehearse.errors import RehearseError
from rehearse.kits import open_kit
from rehearse.outcomes import Outcomes
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.gates import grant
from rehearse.run.results import GOOD, RunResult, StepResult
from rehearse.run.table import Board
from rehearse.run.world import World


class Story:
    """One rehearsal.

    Parameters
    ----------
    root, kind : pathlib.Path, str
        The repository, and which files: ``azure`` or ``github``.
    scratch : pathlib.Path
        An empty folder.
    backend : str
        ``local``, or ``azure``: against the fake of Azure ML, started for the rehearsal.
    changes : mapping of str to str
        Variables of the files to change.
    approve : str
        ``grant``, ``ask`` or ``reject``.
    """

    def __init__(
        self, root: Path, kind: str, scratch: Path, backend: str, changes: Mapping[str, str], *, approve: str = "grant",
        shorten: bool = True, verbose: bool = False,
    ) -> None:  # fmt: skip
        self.root, self.kind, self.scratch, self.backend = root, kind, scratch, backend
        self.kit = open_kit(kind, root, {"MLOPS_BACKEND": backend, **changes})
        self.approve, self.shorten, self.verbose = approve, shorten, verbose
        self.failures: list[str] = []

    def tell(self, names: list[str]) -> int:
        """Run the named pipelines, or the whole story; return the exit code."""
        for name in names or self.kit.names():
            for problem in self.kit.problems(name):
                raise problem
        with open_cloud(self.backend, self.root, self.scratch) as cloud, Board(verbose=self.verbose) as board:
            world = World(self.root, self.scratch, cloud.venv, cloud.environment, cloud.signed_in)
            engine = self._engine(world, board)
            try:
                if names:
                    for name in names:
                        self._run(engine, name, "Manual")
                else:
                    self._week(engine, Outcomes(cloud))
            finally:
                board.__exit__(None, None, None)
                board.finish()
                self._say()
        return 7 if self.failures else 0

    def _engine(self, world: World, board: Board) -> Any:
        options: dict[str, Any] = {
            "approve": {"grant": grant, "ask": _ask, "reject": lambda name, who: False}[self.approve],
            "observe": board,
            "shorten": self.shorten,
        }
        if self.kind == "azure":
            return AzureEngine(world, self.kit.project, **options)
        from rehearse.run.github_engine import GithubEngine

        return GithubEngine(world, self.kit.project, **options)

    def _run(self, engine: Any, name: str, reason: str, **options: Any) -> list[RunResult]:
        results = self.kit.run(engine, name, reason=reason, **options)
        for result in results:
            if result.state not in GOOD:
                self.failures.append(f"{result.pipeline} {result.id} is {result.state}" + _cause(result))
        return results

    def _week(self, engine: Any, outcomes: Outcomes) -> None:
        self._run(engine, "pr", "PullRequest")
        released = self._run(engine, "ci", "IndividualCI")
        self._expect(outcomes.released(released))
        self._expect(outcomes.kept(self._run(engine, "ci", "IndividualCI")))
        self._expect(outcomes.kept(self._run(engine, "retrain", "Schedule")))
        self._expect(outcomes.scored(self._run(engine, "batch", "Schedule"), self.scratch))

    def _expect(self, problems: list[str]) -> None:
        self.failures.extend(problems)
        if problems:
            raise Stopped

    def _say(self) -> None:
        for failure in self.failures:
            click.echo(f"rehearse: {failure}", err=True)
        if not self.failures:
            click.echo("rehearse: every pipeline did what it must", err=True)


class Stopped(RehearseError):
    """The story cannot go on after what went wrong."""

    def __init__(self) -> None:
        super().__init__("the rehearsal stops here", hint="see the lines above")


def _cause(result: RunResult) -> str:
    for step in result.steps():
        if step.state == "Failed":
            return f": {step.title} ({step.where}) exits {step.exit_code}\n" + _last_lines(step)
    return ""


def _last_lines(step: StepResult) -> str:
    return "\n".join(f"  | {line}" for line in step.output[-25:])


def _ask(environment: str, approvers: list[str]) -> bool:
    return click.confirm(f"Approve the deployment to {environment} (for {', '.join(approvers)})?", err=True)
