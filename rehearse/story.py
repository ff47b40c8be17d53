"""The rehearsal as a whole: the pipelines in the order of a real week, and what must be true after each."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rehearse.clouds import Cloud, open_cloud
from rehearse.errors import RehearseError
from rehearse.kits import open_kit
from rehearse.outcomes import Outcomes
from rehearse.run.azure_engine import AzureEngine
from rehearse.run.gates import grant
from rehearse.run.github_engine import GithubEngine
from rehearse.run.results import FAILED, GOOD, SUCCEEDED, RunResult, StepResult
from rehearse.run.table import Board
from rehearse.run.world import World

RELEASE = "mlops release"
# A machine that rehearses is no production: few answers are watched, and how fast they come says nothing.
CANARY = {"MLOPS_CANARY_REQUESTS": "10", "MLOPS_CANARY_MAX_LATENCY_RATIO": "100"}
# Refused connections are tried again until a deadline; a rehearsal that knows better does not wait for it.
_SMOKE = ".venv/bin/mlops smoke --stage production"
SOONER = {_SMOKE: f"{_SMOKE} --timeout 3"}
# The week's data: what is asked for has grown by a tenth, so that training again finds a better model.
NEW_DATA = """
import sys
from model import dataset

table = dataset.sample()
table[dataset.TARGET.name] *= 1.1
table.to_csv(sys.argv[1], index=False)
"""
SHIFTED = "bmi"


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
        for name in self.kit.names():
            for problem in self.kit.problems(name):
                raise problem
        groups = {key: value for group in self.kit.project.groups.values() for key, value in group.items()}
        with (
            open_cloud(self.backend, self.root, self.scratch, groups) as cloud,
            Board(verbose=self.verbose) as board,
        ):
            variables = {**cloud.environment, **CANARY}
            world = World(self.root, self.scratch, cloud.venv, variables, cloud.agents, cloud.tools, cloud.issuer)
            engine = self._engine(world, board)
            try:
                if names:
                    for name in names:
                        self._run(engine, name, "Manual")
                else:
                    self._week(engine, Outcomes(cloud), cloud)
            except Stopped:
                pass
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
        kind: Any = AzureEngine if self.kind == "azure" else GithubEngine
        return kind(world, self.kit.project, **options)

    def _run(
        self, engine: Any, name: str, reason: str, *, red: bool = False, changes: Mapping[str, str] | None = None
    ) -> list[RunResult]:
        """Run a pipeline and what it triggers; a run that fails is a failure, unless it must be `red`."""
        kit = open_kit(self.kind, self.root, {**self.kit.overrides, **changes}) if changes else self.kit
        results: list[RunResult] = kit.run(engine, name, reason=reason)
        for result in results:
            if result.state not in GOOD and not red:
                self.failures.append(f"{result.pipeline} {result.id} is {result.state}" + _cause(result))
                raise Stopped
        return results

    def _week(self, engine: Any, outcomes: Outcomes, cloud: Cloud) -> None:
        if self.backend == "azure":
            self._run(engine, "infra", "Manual")
        self._run(engine, "pr", "PullRequest")
        self._expect(outcomes.released(self._run(engine, "ci", "IndividualCI")))
        self._expect(outcomes.kept(self._run(engine, "retrain", "Schedule")))
        source = self.root / ".pipelines" / "batch-sample.csv"
        self._expect(outcomes.scored(self._run(engine, "batch", "Schedule"), self.scratch, source))
        self._expect(outcomes.monitored(self._run(engine, "monitor", "Schedule"), self.scratch, ""))
        changes = {"MONITOR_INPUT": str(_shifted(source, self.scratch / "shifted.csv"))}
        alarm = self._run(engine, "monitor", "Schedule", red=True, changes=changes)
        self._expect(outcomes.monitored(alarm, self.scratch, SHIFTED), alarm)
        data = self.scratch / "new-data.csv"
        cloud.python(NEW_DATA, str(data))
        cloud.mlops("data", "register", str(data))
        sabotaged = self._sabotaged(engine, cloud, outcomes)
        self._expect(outcomes.rolled_back(sabotaged), sabotaged)

    def _sabotaged(self, engine: Any, cloud: Cloud, outcomes: Outcomes) -> list[RunResult]:
        """Train again on new data; take the production service away between its release and its smoke test."""
        board, shortened, problems = engine.observe, self.kit.project.shortened, list[str]()
        struck = False

        def observe(run: RunResult, changed: Any) -> None:
            nonlocal struck
            board(run, changed)
            if struck or not isinstance(changed, StepResult) or RELEASE not in (changed.command or ""):
                return
            if changed.state == SUCCEEDED:
                struck = True
                problems.extend(outcomes.canary(run))
                changed.note = "sabotage: the service is taken away now"
                name = outcomes.state.service("production").name
                # Deleted, not stopped: Azure cannot stop one, and the port of a stopped local service may be somebody
                # else's before the rollback needs it.
                cloud.mlops("services", "delete", name, "--yes")

        self.kit.project.shortened = {**shortened, **SOONER}
        engine.watch(observe)
        try:
            results = self._run(engine, "retrain", "Schedule", red=True)
        finally:
            self.kit.project.shortened = shortened
            engine.watch(board)
        if not struck:
            problems.append("nothing was released to production, so nothing could be taken away")
        self._expect(problems, results)
        return results

    def _expect(self, problems: list[str], runs: Sequence[RunResult] = ()) -> None:
        if problems:
            self.failures.extend(problems)
            self.failures.extend(f"{run.pipeline} {run.id}{_cause(run)}" for run in runs if run.state == FAILED)
            raise Stopped

    def _say(self) -> None:
        for failure in self.failures:
            click.echo(f"rehearse: {failure}", err=True)
        if not self.failures:
            click.echo("rehearse: every pipeline did what it must", err=True)


def _shifted(source: Path, target: Path) -> Path:
    """A copy of a table in which one feature has doubled."""
    with source.open(newline="") as lines, target.open("w", newline="") as copy:
        rows = csv.DictReader(lines)
        writer = csv.DictWriter(copy, rows.fieldnames or [])
        writer.writeheader()
        writer.writerows({**row, SHIFTED: float(row[SHIFTED]) * 2} for row in rows)
    return target


class Stopped(RehearseError):
    """The story cannot go on after what went wrong."""

    def __init__(self) -> None:
        super().__init__("the rehearsal stops here", hint="see the lines above")


def _cause(result: RunResult) -> str:
    failed = [step for step in result.steps() if step.state == FAILED]
    return "".join(f": {step.title} ({step.where}) exits {step.exit_code}\n{_last_lines(step)}" for step in failed)


def _last_lines(step: StepResult) -> str:
    return "\n".join(f"  | {line}" for line in step.output[-25:])


def _ask(environment: str, approvers: list[str]) -> bool:
    return click.confirm(f"Approve the deployment to {environment} (for {', '.join(approvers)})?", err=True)
