"""What Azure Pipelines knows while a pipeline runs: variables, dependencies, conditions, logging commands.

Sources, below learn.microsoft.com/azure/devops/pipelines: process/variables (macros, precedence, output variables),
process/conditions (the usual condition holds for indirect dependencies too), build/variables (predefined ones).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from rehearse.azure.evaluate import Evaluator, Strict
from rehearse.azure.values import to_boolean, to_text
from rehearse.errors import PipelineError
from rehearse.graph import Job, Pipeline, Stage, Variable
from rehearse.interpolate import pieces, substitute
from rehearse.run.order import all_before
from rehearse.run.project import Project
from rehearse.run.results import CANCELED, FAILED, GOOD, RunResult, StageResult
from rehearse.source import where

_MACRO = re.compile(r"\$\(([^()\s$]+)\)")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.\-]*$")
Graph = Mapping[str, Any]


class Strictly(Strict):
    """Dependencies: what is not among them is a mistake in the file, not null."""

    what = "dependency"


class Variables:
    """Variables of one job, names without regard to case. Values may hold macros; they are resolved when read."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        self.secret: set[str] = set()

    def set(self, name: str, value: str, *, secret: bool = False) -> None:
        self._values[name.lower()] = (name, value)
        if secret:
            self.secret.add(name.lower())

    def update(self, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            self.set(name, value)

    def copy(self) -> Variables:
        other = Variables()
        other._values, other.secret = dict(self._values), set(self.secret)
        return other

    def get(self, name: str) -> str | None:
        found = self._values.get(name.lower())
        return None if found is None else found[1]

    def items(self) -> list[tuple[str, str]]:
        """Names as first written, and resolved values."""
        return [(name, self.expand(value, missing=None)) for name, value in self._values.values()]

    def context(self) -> dict[str, str]:
        """For expressions."""
        return dict(self.items())

    def expand(self, text: str, missing: Callable[[str], None] | None, depth: int = 0) -> str:
        """Replace ``$(name)``; call `missing` with names that no variable has (they stay as they are)."""

        def fill(match: re.Match[str]) -> str:
            value = self.get(match[1])
            if value is None:
                if missing is not None and _IDENTIFIER.match(match[1]):
                    missing(match[1])
                return match[0]
            return value if depth > 20 else self.expand(value, missing, depth + 1)

        return _MACRO.sub(fill, text)

    def environment(self) -> dict[str, str]:
        """Every variable that is not secret, named as scripts see it: dots and blanks are replaced, nothing else."""
        shown = [(name, value) for name, value in self.items() if name.lower() not in self.secret]
        return {re.sub(r"[. ]", "_", name).upper(): value for name, value in shown}

    def secrets(self) -> list[str]:
        """The values to hide in logs."""
        return [value for name, value in self.items() if name.lower() in self.secret and value]


class AzureRuntime:
    """The state of one run.

    Parameters
    ----------
    pipeline : Pipeline
        The expanded pipeline.
    project : Project
        Where variable groups and environments come from.
    predefined : mapping
        Values of predefined variables of the run.
    queue : mapping
        Variables set by the person or pipeline that started the run.
    strict : bool
        Whether ``$(name)`` of no variable is an error (the service leaves it as it is).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        project: Project,
        result: RunResult,
        predefined: Mapping[str, str],
        queue: Mapping[str, str],
        counters: dict[str, int],
        strict: bool = True,
    ) -> None:
        self.pipeline, self.project, self.result, self.strict = pipeline, project, result, strict
        self.counters = counters
        self.base = Variables()
        self.base.update(predefined)
        self.start = datetime.now(timezone.utc)
        for name, value in queue.items():
            if any(item.name.lower() == name.lower() for item in pipeline.variables):
                raise PipelineError(f"{name!r} is set in the YAML: it cannot be set when the run is queued")
            self.base.set(name, value)
        self.read(self.base, pipeline.variables, {})

    def read(self, into: Variables, entries: list[Variable], contexts: Mapping[str, Any]) -> None:
        """Add the entries of a ``variables`` block: groups, values, ``$[ ]`` expressions."""
        for entry in entries:
            if entry.group is not None:
                if entry.group not in self.project.groups:
                    raise PipelineError(f"there is no variable group {entry.group!r}", where=entry.where)
                for name, value in self.project.groups[entry.group].items():
                    into.set(name, value, secret=name in self.project.secrets)
                continue
            into.set(entry.name, self._runtime_value(into, entry, contexts))

    def _runtime_value(self, into: Variables, entry: Variable, contexts: Mapping[str, Any]) -> str:
        if "$[" not in entry.value:
            return entry.value
        evaluate = self.evaluator(into, contexts, {"counter": self._counter})
        place = entry.where or where(entry.value)
        if len(list(pieces(entry.value.strip(), "$[", "]", place))) > 1:
            # "Runtime expressions must take up the entire right side of a definition": else they stay as they are.
            raise PipelineError(
                f"$[ ] must be the whole value of {entry.name!r}", where=place, hint="use format() inside of it"
            )
        return to_text(
            substitute(entry.value, "$[", "]", lambda text: evaluate(into.expand(text, None), place), to_text, place)
        )

    def _counter(self, prefix: Any = "", seed: Any = 0) -> int:
        key = to_text(prefix)
        self.counters[key] = self.counters[key] + 1 if key in self.counters else int(seed)
        return self.counters[key]

    def evaluator(
        self, variables: Variables, contexts: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]
    ) -> Evaluator:
        """Expressions of a run."""
        known = {"variables": variables.context(), "pipeline": {"startTime": self.start}, **contexts}
        return Evaluator(known, functions)

    # ---- stages and jobs -----------------------------------------------------------------------------------------
    def stage_variables(self, stage: Stage) -> Variables:
        """Variables that the stage's jobs start from."""
        variables = self.base.copy()
        variables.set("System.StageName", stage.name)
        variables.set("System.StageDisplayName", stage.title)
        self.read(variables, stage.variables, {})
        return variables

    def stage_runs(self, stage: Stage) -> bool:
        """Evaluate the condition of a stage."""
        results = {name: found.state for name, found in self.result.stages.items()}
        needs = {item.name: item.needs for item in self.pipeline.stages}
        contexts = {"dependencies": Strictly({name: self._stage_dependency(name) for name in stage.needs})}
        return self._runs(
            stage.condition, stage.name, needs, results, self.stage_variables(stage), contexts, stage.where
        )

    def _stage_dependency(self, name: str) -> dict[str, Any]:
        found = self.result.stages[name]
        outputs = {f"{job.name}.{key}": value for job in found.jobs.values() for key, value in job.outputs.items()}
        return {"result": found.state, "outputs": outputs}

    def job_contexts(self, job: Job, stage: StageResult) -> dict[str, Any]:
        """``dependencies`` and ``stageDependencies`` as a job sees them."""
        jobs = {name: {"result": stage.jobs[name].state, "outputs": stage.jobs[name].outputs} for name in job.needs}
        stages = {
            other.name: Strictly({key: {"result": j.state, "outputs": j.outputs} for key, j in other.jobs.items()})
            for other in self.result.stages.values()
            if other is not stage
        }
        return {"dependencies": Strictly(jobs), "stageDependencies": Strictly(stages)}

    def job_runs(self, stage: Stage, job: Job, result: StageResult, variables: Variables) -> bool:
        """Evaluate the condition of a job."""
        results = {name: found.state for name, found in result.jobs.items()}
        needs = {item.name: item.needs for item in stage.jobs}
        return self._runs(job.condition, job.name, needs, results, variables, self.job_contexts(job, result), job.where)

    def _runs(
        self,
        condition: str | None,
        name: str,
        needs: Mapping[str, list[str]],
        results: Mapping[str, str],
        variables: Variables,
        contexts: Graph,
        place: str | None,
    ) -> bool:
        before = all_before(name, needs)

        def chosen(names: tuple[Any, ...]) -> list[str]:
            wanted = [to_text(item).lower() for item in names]
            for item in wanted:
                if item not in [known.lower() for known in needs]:
                    raise PipelineError(f"the condition of {name!r} names {item!r}, which does not exist", where=place)
            return (
                [results[known] for known in needs if known.lower() in wanted]
                if wanted
                else [results[b] for b in before]
            )

        functions: dict[str, Callable[..., Any]] = {
            "succeeded": lambda *names: all(state in GOOD for state in chosen(names)),
            "failed": lambda *names: FAILED in chosen(names),
            "succeededorfailed": lambda *names: all(state in (*GOOD, FAILED) for state in chosen(names)),
            "always": lambda: True,
            "canceled": lambda: CANCELED in chosen(()),
        }
        if condition is None:
            return bool(functions["succeeded"]())
        evaluate = self.evaluator(variables, contexts, functions)
        return to_boolean(evaluate(condition, where(condition) or place))

    def step_runs(self, condition: str | None, status: str, variables: Variables, place: str | None) -> bool:
        """Evaluate the condition of a step, given the state of its job so far."""
        functions: dict[str, Callable[..., Any]] = {
            "succeeded": lambda: status in GOOD,
            "failed": lambda: status == FAILED,
            "succeededorfailed": lambda: status in (*GOOD, FAILED),
            "always": lambda: True,
            "canceled": lambda: status == CANCELED,
        }
        if condition is None:
            return status in GOOD
        return to_boolean(self.evaluator(variables, {}, functions)(condition, where(condition) or place))

    def text(self, value: Any, variables: Variables, place: str | None) -> str:
        """A value of a step with its macros replaced."""

        def missing(name: str) -> None:
            if self.strict:
                raise PipelineError(
                    f"$({name}) is no variable",
                    where=where(value) or place,
                    hint="a command of the shell goes into backticks in files that are rehearsed",
                )

        return variables.expand(to_text(value), missing)
