"""Run a GitHub workflow: jobs, called workflows, steps.

Sources, below docs.github.com/en/actions: reference/workflows-and-actions/contexts (what is known where),
reference/workflows-and-actions/workflow-commands (files and ``::`` lines by which a step talks to the runner).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rehearse.errors import NotRehearsed
from rehearse.github.evaluate import STATUS, Evaluator, to_text, truthy
from rehearse.graph import Job, Pipeline, Stage, Step, Variable
from rehearse.interpolate import substitute
from rehearse.run import actions, gates
from rehearse.run.context import Folders, StepContext
from rehearse.run.gates import Approve, grant
from rehearse.run.github_files import assignments
from rehearse.run.order import all_before, in_order
from rehearse.run.project import Project
from rehearse.run.results import (
    CANCELED,
    FAILED,
    GOOD,
    ISSUES,
    LAST_MINUTES,
    MINUTE,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    JobResult,
    Observer,
    RunResult,
    StageResult,
    StepResult,
    combined,
    nobody,
)
from rehearse.run.world import StoredRun, World
from rehearse.source import where
from rehearse.syntax import Call, parse, walk

_RESULT = {SUCCEEDED: "success", ISSUES: "success", FAILED: "failure", SKIPPED: "skipped", CANCELED: "cancelled"}
_COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?:\s[^:]*)?::(?P<text>.*)$")
_COMMANDS = {"debug", "notice", "warning", "error", "group", "endgroup", "add-mask", "stop-commands"}


class GithubEngine:
    """Runs workflows in one world."""

    def __init__(
        self,
        world: World,
        project: Project,
        *,
        approve: Approve = grant,
        observe: Observer = nobody,
        shorten: bool = True,
        variables: Mapping[str, str] | None = None,
        minute: float = MINUTE,
    ) -> None:
        self.minute = minute
        self.world, self.project, self.approve, self.observe, self.shorten = world, project, approve, observe, shorten
        self.variables = dict(variables or {})

    def watch(self, observe: Observer) -> None:
        """Tell another observer from now on."""
        self.observe = observe

    def run(
        self, pipeline: Pipeline, *, reason: str = "workflow_dispatch", inputs: Mapping[str, Any] | None = None
    ) -> RunResult:
        """Run one workflow to its end. Raises ``RehearseError`` for what GitHub would refuse or is not known here."""
        identifier, folder = self.world.new_run(pipeline.name)
        result = RunResult(pipeline.name, identifier, reason, RUNNING)
        for stage in pipeline.stages:
            jobs = {job.name: JobResult(job.name, job.title, environment=job.environment) for job in stage.jobs}
            result.stages[stage.name] = StageResult(stage.name, stage.title, jobs=jobs)
        run = _Run(self, pipeline, result, folder, reason, dict(inputs or {}))
        self.observe(result, result)
        for stage in in_order(pipeline.stages):
            run.stage(stage)
        result.state = combined([stage.state for stage in result.stages.values()])
        result.seconds = time.monotonic() - result.started
        stored = StoredRun(pipeline.name, identifier, folder, result.state, "refs/heads/main")
        result.artifacts = stored.artifacts()
        self.world.runs.append(stored)
        self.observe(result, result)
        return result


class _Run:
    def __init__(
        self, engine: GithubEngine, pipeline: Pipeline, result: RunResult, folder: Path, reason: str,
        inputs: dict[str, Any],
    ) -> None:  # fmt: skip
        self.engine, self.pipeline, self.result, self.folder = engine, pipeline, result, folder
        self.world, self.project, self.observe = engine.world, engine.project, engine.observe
        self.outputs: dict[str, dict[str, Any]] = {}
        self.inputs = inputs
        self.github = {
            "event_name": reason,
            "event": {"inputs": inputs},
            "ref": "refs/heads/main",
            "ref_name": "main",
            "sha": self.world.repository.revision(),
            "run_id": result.id,
            "run_number": result.id,
            "run_attempt": "1",
            "workflow": pipeline.name,
            "repository": f"rehearsal/{self.world.root.name}",
            "server_url": "https://github.com",
            "actor": "rehearsal",
        }

    # ---- stages and jobs -----------------------------------------------------------------------------------------
    def stage(self, stage: Stage) -> None:
        """A job of the workflow, or all jobs of a workflow that it calls."""
        result = self.result.stages[stage.name]
        needs = {item.name: item.needs for item in self.pipeline.stages}
        states = {name: found.state for name, found in self.result.stages.items()}
        contexts = {**self._contexts(self.inputs, []), "needs": self._needs(stage.needs)}
        if not self._runs(stage.condition, stage.name, needs, states, contexts, stage.where):
            self._skip(result)
            return
        result.state = RUNNING
        inputs = self._given(stage, contexts) if "calls" in stage.extra else self.inputs
        for job in in_order(stage.jobs):
            inner_needs = {item.name: item.needs for item in stage.jobs}
            found = result.jobs[job.name]
            if "calls" in stage.extra:
                own = {**self._contexts(inputs, stage.variables), "needs": self._jobs(result, job.needs)}
                job_states = {name: item.state for name, item in result.jobs.items()}
                if not self._runs(job.condition, job.name, inner_needs, job_states, own, job.where):
                    found.state = SKIPPED
                    self.observe(self.result, found)
                    continue
                environment = stage.variables
            else:
                own, environment = {**contexts}, self.pipeline.variables
            self._job(job, found, result, inputs, environment, own["needs"])
        result.state = combined([item.state for item in result.jobs.values()])
        self._stage_outputs(stage, result, inputs)
        self.observe(self.result, result)

    def _skip(self, result: StageResult) -> None:
        result.state = SKIPPED
        for job in result.jobs.values():
            job.state = SKIPPED
        self.observe(self.result, result)

    def _given(self, stage: Stage, contexts: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, declared in stage.extra["inputs"].items():
            value = stage.extra["with"].get(name, (declared or {}).get("default"))
            value = self._value(value, contexts) if isinstance(value, str) else value
            if str((declared or {}).get("type", "string")) == "boolean":
                value = truthy(value) and to_text(value) != "false"
            values[str(name)] = value
        return values

    def _stage_outputs(self, stage: Stage, result: StageResult, inputs: dict[str, Any]) -> None:
        if "calls" not in stage.extra:
            self.outputs[stage.name] = dict(next(iter(result.jobs.values())).outputs)
            return
        jobs = self._jobs(result, list(result.jobs))
        contexts = {**self._contexts(inputs, []), "jobs": jobs}
        self.outputs[stage.name] = {
            name: to_text(self._value(value, contexts)) for name, value in stage.extra["outputs"].items()
        }

    def _needs(self, names: list[str]) -> dict[str, Any]:
        return {
            name: {"result": _RESULT[self.result.stages[name].state], "outputs": self.outputs.get(name, {})}
            for name in names
        }

    def _jobs(self, result: StageResult, names: list[str]) -> dict[str, Any]:
        return {
            name: {"result": _RESULT[result.jobs[name].state], "outputs": result.jobs[name].outputs} for name in names
        }

    def _contexts(self, inputs: Mapping[str, Any], env: list[Variable]) -> dict[str, Any]:
        variables = {key: value for group in self.project.groups.values() for key, value in group.items()}
        contexts: dict[str, Any] = {
            "github": self.github,
            "inputs": inputs,
            "vars": {**variables, **self.engine.variables},
            "secrets": {"GITHUB_TOKEN": "***"},
        }
        contexts["env"] = {entry.name: to_text(self._value(entry.value, contexts)) for entry in env}
        return contexts

    def _runs(
        self, condition: str | None, name: str, needs: Mapping[str, list[str]], states: Mapping[str, str],
        contexts: Mapping[str, Any], place: str | None,
    ) -> bool:  # fmt: skip
        before = [states[item] for item in all_before(name, needs)]
        functions: dict[str, Callable[..., Any]] = {
            "success": lambda: all(state in GOOD for state in before),
            "failure": lambda: FAILED in before,
            "cancelled": lambda: CANCELED in before,
            "always": lambda: True,
        }
        return self._condition(condition, contexts, functions, place)

    def _condition(
        self,
        text: str | None,
        contexts: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        place: str | None,
    ) -> bool:
        if text is None:
            return bool(functions["success"]())
        place = where(text) or place
        bare = text.strip()
        if bare.startswith("${{") and bare.endswith("}}"):
            bare = bare[3:-2]
        named = any(
            isinstance(part, Call) and part.function.lower() in STATUS
            for part in walk(parse(bare, operators=True, where=place))
        )
        if not named and not functions["success"]():
            return False
        return truthy(Evaluator(contexts, functions)(bare, place))

    def _value(self, text: str, contexts: Mapping[str, Any]) -> Any:
        place = where(text)
        evaluate = Evaluator(contexts)
        return substitute(text, "${{", "}}", lambda inner: evaluate(inner, place), to_text, place)

    # ---- one job -------------------------------------------------------------------------------------------------
    def _job(
        self, job: Job, result: JobResult, stage: StageResult, inputs: dict[str, Any], env: list[Variable],
        needs: Mapping[str, Any],
    ) -> None:  # fmt: skip
        if job.environment is not None and not self._checks(job, result, stage):
            return
        result.state, result.started = RUNNING, time.monotonic()
        self.observe(self.result, result)
        contexts = {**self._contexts(inputs, [*env, *job.variables]), "needs": needs, "steps": {}}
        contexts["runner"] = {"os": "Linux", "temp": "", "arch": "X64"}
        folders = Folders.make(self.folder / "runners" / f"{stage.name}.{job.name}")
        status, signed_in = SUCCEEDED, False
        deadline = time.monotonic() + job.minutes * self.engine.minute
        added: dict[str, str] = {}
        paths: list[str] = []
        for number, step in enumerate(job.steps):
            found = StepResult(step.title, step.uses, step.where)
            result.steps.append(found)
            contexts["job"] = {"status": _RESULT[status]}
            step_env = {**contexts["env"], **added}
            inner = {**contexts, "env": step_env}
            context = StepContext(
                self.world,
                self.project,
                step,
                job,
                found,
                folders,
                self.folder,
                {},
                {},
                lambda line: line,
                number=number,
                deadline=deadline,
            )
            outputs: dict[str, str] = {}
            if self._condition(step.condition, inner, _step_functions(status), step.where):
                outputs = self._step(context, inner, step_env, added, paths, signed_in)
                signed_in = signed_in or (actions.known(step).signs_in and found.state == SUCCEEDED)
            else:
                found.state = SKIPPED
                self.observe(self.result, found)
            outcome = _RESULT[found.state]
            if found.state == FAILED:
                if truthy(self._value(step.continue_on_error, inner)) and step.continue_on_error != "false":
                    found.state = ISSUES
                elif status != CANCELED:
                    status = FAILED
            elif found.state == CANCELED:
                status, deadline = CANCELED, time.monotonic() + LAST_MINUTES * self.engine.minute
            if step.name:
                contexts["steps"][step.name] = {
                    "outputs": outputs,
                    "outcome": outcome,
                    "conclusion": _RESULT[found.state],
                }
        result.outputs = {name: to_text(self._value(value, contexts)) for name, value in job.outputs.items()}
        result.state = ISSUES if status == FAILED and job.continue_on_error == "true" else status
        result.seconds = time.monotonic() - result.started
        self.observe(self.result, result)

    def _checks(self, job: Job, result: JobResult, stage: StageResult) -> bool:
        def waiting() -> None:
            result.state = WAITING
            self.observe(self.result, result)

        ref = str(self.github["ref"])
        passed, done, note = gates.check(
            str(job.environment), self.project, ref, self.engine.approve, waiting, job.where
        )
        stage.checks.extend(done)
        if not passed:
            result.state, stage.note = FAILED, note  # a rejection fails the job, and so the run
        return passed

    def _step(
        self, context: StepContext, contexts: dict[str, Any], env: dict[str, str], added: dict[str, str],
        paths: list[str], signed_in: bool,
    ) -> dict[str, str]:  # fmt: skip
        step, found = context.step, context.result
        action = actions.known(step)
        own = {key: to_text(self._value(value, contexts)) for key, value in step.env.items()}
        contexts = {**contexts, "env": {**env, **own}}
        context.inputs = {key: to_text(self._value(value, contexts)) for key, value in step.inputs.items()}
        files = {
            name: context.folders.temp / f"{name}-{context.number}" for name in ("output", "env", "path", "summary")
        }
        for file in files.values():
            file.write_text("", encoding="utf-8")
        context.env = self.world.environment(context.folders.home, signed_in=signed_in)
        context.env |= {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(context.folders.sources)}
        context.env |= {f"GITHUB_{key.upper()}": value for key, value in self.github.items() if isinstance(value, str)}
        context.env |= {
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_ENV": str(files["env"]),
            "GITHUB_PATH": str(files["path"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "RUNNER_TEMP": str(context.folders.temp),
            "RUNNER_OS": "Linux",
        }
        if self.world.issuer is not None and _may_have_tokens(context.job):
            context.env |= self.world.issuer.variables(self._subject(context.job))
        context.env |= {**env, **own}
        context.env["PATH"] = ":".join([*paths, context.env["PATH"]])
        if step.uses == "run":
            found.command = context.inputs["run"].strip()
            short = self.project.shortened.get(found.command)
            if short is not None and self.engine.shorten:
                context.inputs["run"], found.note = short, f"shortened to: {short}"
        context.hear = lambda line: self._hear(line, step)
        found.state, started = RUNNING, time.monotonic()
        self.observe(self.result, found)
        found.exit_code = action.run(context)
        found.seconds = time.monotonic() - started
        found.state = SUCCEEDED if found.exit_code == 0 else FAILED
        if found.exit_code and context.late():
            found.state, found.note = CANCELED, f"stopped: the job may take {context.job.minutes} minutes"
        added |= assignments(files["env"], step.where)
        paths[:0] = files["path"].read_text(encoding="utf-8").split()
        self.observe(self.result, found)
        return assignments(files["output"], step.where)

    def _subject(self, job: Job) -> str:
        """Whom GitHub says that a job is: that of an environment is known by it, any other by its branch."""
        whose = f"environment:{job.environment}" if job.environment else f"ref:{self.github['ref']}"
        return f"repo:{self.github['repository']}:{whose}"

    def _hear(self, line: str, step: Step) -> str | None:
        match = _COMMAND.match(line)
        if match is not None and match["name"] not in _COMMANDS:
            raise NotRehearsed(f"the workflow command ::{match['name']}:: is not known here", where=step.where)
        self.observe(self.result, line)
        return line


def _may_have_tokens(job: Job) -> bool:
    return (job.extra.get("permissions") or {}).get("id-token") == "write"


def _step_functions(status: str) -> dict[str, Callable[..., Any]]:
    return {
        "success": lambda: status in GOOD,
        "failure": lambda: status == FAILED,
        "cancelled": lambda: status == CANCELED,
        "always": lambda: True,
    }
