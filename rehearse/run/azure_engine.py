"""Run an Azure pipeline: stages, jobs, hooks of deployments, steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rehearse.azure import logging_commands
from rehearse.azure.values import to_text
from rehearse.errors import PipelineError, RehearseError
from rehearse.graph import Job, Pipeline, Stage, Step
from rehearse.run import tasks
from rehearse.run.azure_runtime import AzureRuntime, Variables
from rehearse.run.context import Folders, StepContext
from rehearse.run.project import Project
from rehearse.run.results import (
    CANCELED,
    FAILED,
    GOOD,
    ISSUES,
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

Approve = Callable[[str, list[str]], bool]
_HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")


def grant(environment: str, approvers: list[str]) -> bool:
    """Grant every approval."""
    return True


class AzureEngine:
    """Runs pipelines of one project in one world."""

    def __init__(
        self,
        world: World,
        project: Project,
        *,
        approve: Approve = grant,
        observe: Observer = nobody,
        shorten: bool = True,
        strict: bool = True,
    ) -> None:
        self.world, self.project, self.approve, self.observe = world, project, approve, observe
        self.shorten, self.strict = shorten, strict
        self.counters: dict[str, dict[str, int]] = {}
        self.locks: set[str] = set()

    def run(
        self,
        pipeline: Pipeline,
        *,
        reason: str = "Manual",
        branch: str = "refs/heads/main",
        queue: Mapping[str, str] | None = None,
        chosen_runs: Mapping[str, str] | None = None,
    ) -> RunResult:
        """Run one pipeline to its end.

        Raises
        ------
        RehearseError
            The YAML is wrong, or something in it is not known; a step that fails is a result, not an error.
        """
        identifier, folder = self.world.new_run(pipeline.name)
        result = RunResult(pipeline.name, identifier, reason, RUNNING)
        for stage in pipeline.stages:
            jobs = {job.name: JobResult(job.name, job.title, environment=job.environment) for job in stage.jobs}
            result.stages[stage.name] = StageResult(stage.name, stage.title, jobs=jobs)
        chosen = dict(chosen_runs or {})
        predefined = self._predefined(pipeline, identifier, reason, branch) | self._resources(pipeline, chosen)
        counters = self.counters.setdefault(pipeline.name, {})
        runtime = AzureRuntime(pipeline, self.project, result, predefined, queue or {}, counters, self.strict)
        self.observe(result, result)
        for stage in in_order(pipeline.stages):
            self._stage(stage, runtime, folder, chosen)
        result.state = combined([stage.state for stage in result.stages.values()])
        result.seconds = time.monotonic() - result.started
        stored = StoredRun(pipeline.name, identifier, folder, result.state, branch, result.tags)
        result.artifacts = stored.artifacts()
        self.world.runs.append(stored)
        self.observe(result, result)
        return result

    def _predefined(self, pipeline: Pipeline, identifier: str, reason: str, branch: str) -> dict[str, str]:
        return {
            "Build.BuildId": identifier,
            "Build.BuildNumber": identifier,
            "Build.DefinitionName": pipeline.name,
            "Build.Reason": reason,
            "Build.SourceBranch": branch,
            "Build.SourceBranchName": branch.rpartition("/")[2],
            "Build.SourceVersion": self.world.repository.revision(),
            "Build.Repository.Name": self.world.root.name,
            "Build.RequestedFor": "rehearsal",
            "System.TeamProject": "rehearsal",
            "System.CollectionUri": "https://dev.azure.com/rehearsal/",
            "System.TeamFoundationCollectionUri": "https://dev.azure.com/rehearsal/",
            "System.DefinitionName": pipeline.name,
            "System.StageAttempt": "1",
            "System.JobAttempt": "1",
            "System.HostType": "build",
            "Agent.OS": "Linux",
            "Agent.Name": "rehearsal",
            "TF_BUILD": "True",
        }

    def _resources(self, pipeline: Pipeline, chosen: Mapping[str, str]) -> dict[str, str]:
        values: dict[str, str] = {}
        for item in pipeline.triggers.get("pipelines", []):
            name = str(item["source"])
            latest = self.world.latest(name)
            identifier = chosen.get(name) or (latest.id if latest else "")
            values |= {
                f"resources.pipeline.{item['pipeline']}.runID": identifier,
                f"resources.pipeline.{item['pipeline']}.runName": identifier,
                f"resources.pipeline.{item['pipeline']}.pipelineName": name,
            }
        return values

    # ---- stages --------------------------------------------------------------------------------------------------
    def _stage(self, stage: Stage, runtime: AzureRuntime, folder: Path, chosen: dict[str, str]) -> None:
        result = runtime.result.stages[stage.name]
        if not runtime.stage_runs(stage):
            result.state = SKIPPED
            for job in result.jobs.values():
                job.state = SKIPPED
            self.observe(runtime.result, result)
            return
        if not self._checks(stage, result, runtime):
            result.state = CANCELED
            self.observe(runtime.result, result)
            return
        result.state = RUNNING
        self.observe(runtime.result, result)
        for job in in_order(stage.jobs):
            self._job(stage, job, result, runtime, folder, chosen)
        result.state = combined([job.state for job in result.jobs.values()])
        self.observe(runtime.result, result)

    def _checks(self, stage: Stage, result: StageResult, runtime: AzureRuntime) -> bool:
        """The checks of the environments that the stage deploys to: all pass before any of its jobs starts."""
        for job in stage.jobs:
            if job.environment is None:
                continue
            job.environment = runtime.text(job.environment, runtime.stage_variables(stage), job.where)
            result.jobs[job.name].environment = job.environment
            name = job.environment.partition(".")[0]
            if name not in self.project.environments:
                raise PipelineError(
                    f"there is no environment {name!r}",
                    where=job.where,
                    hint=f"known: {', '.join(self.project.environments) or 'none'}",
                )
            checks = self.project.environments[name]
            branch = str(runtime.base.get("Build.SourceBranch"))
            if checks.branches and branch not in checks.branches:
                result.note = f"{branch} may not deploy to {name}"
                return False
            if checks.exclusive_lock:
                result.checks.append(f"exclusive lock on {name}")
            if checks.approvers:
                result.state = WAITING
                self.observe(runtime.result, result)
                if not self.approve(name, checks.approvers):
                    result.note = f"approval of {name} rejected"
                    return False
                result.checks.append(f"approved for {name} by {', '.join(checks.approvers)}")
        return True

    # ---- jobs ----------------------------------------------------------------------------------------------------
    def _job(
        self, stage: Stage, job: Job, outer: StageResult, runtime: AzureRuntime, folder: Path, chosen: dict[str, str]
    ) -> None:
        result = outer.jobs[job.name]
        variables = runtime.stage_variables(stage)
        variables.set("System.JobName", job.name)
        variables.set("System.JobDisplayName", job.title)
        variables.set("Agent.JobName", job.title)
        if not runtime.job_runs(stage, job, outer, variables):
            result.state = SKIPPED
            self.observe(runtime.result, result)
            return
        runtime.read(variables, job.variables, runtime.job_contexts(job, outer))
        result.state, result.started = RUNNING, time.monotonic()
        self.observe(runtime.result, result)
        states: list[str] = []
        for leg, values in (job.matrix or {"": {}}).items():
            own = variables.copy()
            own.update(values)
            label = f"{stage.name}.{job.name}" + (f".{leg}" if leg else "")
            if job.deployment:
                own.set("Environment.Name", str(job.environment))
                own.set("Strategy.Name", "runOnce")
                states.append(self._deployment(job, result, own, runtime, folder, label, chosen))
            else:
                states.append(self._steps(job, "steps", result, own, runtime, folder, label, chosen))
        result.state = combined(states)
        if result.state == FAILED and job.continue_on_error == "true":
            result.state = ISSUES
        result.seconds = time.monotonic() - result.started
        self.observe(runtime.result, result)

    def _deployment(
        self, job: Job, result: JobResult, variables: Variables, runtime: AzureRuntime, folder: Path, label: str,
        chosen: dict[str, str],
    ) -> str:  # fmt: skip
        states: list[str] = []
        for hook in [name for name in _HOOKS if name in job.hooks]:
            states.append(self._steps(job, hook, result, variables, runtime, folder, f"{label}.{hook}", chosen))
            if states[-1] not in GOOD:
                break
        outcome = "on.success" if states and all(state in GOOD for state in states) else "on.failure"
        if outcome in job.hooks:
            states.append(self._steps(job, outcome, result, variables, runtime, folder, f"{label}.{outcome}", chosen))
        return combined(states)

    def _steps(
        self, job: Job, hook: str, result: JobResult, variables: Variables, runtime: AzureRuntime, folder: Path,
        label: str, chosen: dict[str, str],
    ) -> str:  # fmt: skip
        """Run the steps of one hook as an agent does: own folders, own variables; return the state."""
        variables = variables.copy()
        folders = Folders.make(folder / "agents" / label)
        variables.update(_folder_variables(folders))
        status = SUCCEEDED
        for number, step in enumerate(self._with_implied(job, hook, runtime.pipeline)):
            found = StepResult(step.title, step.uses, step.where)
            result.steps.append(found)
            variables.set("Agent.JobStatus", status)
            if not step.enabled or not runtime.step_runs(step.condition, status, variables, step.where):
                found.state = SKIPPED
                self.observe(runtime.result, found)
                continue
            context = StepContext(
                self.world, self.project, step, job, found, folders, folder, {}, {}, lambda line: line,
                {str(item["pipeline"]): str(item["source"]) for item in runtime.pipeline.triggers.get("pipelines", [])},
                chosen, number,
            )  # fmt: skip
            self._step(context, result, variables, runtime, label)
            if found.state == FAILED:
                status = FAILED
            elif found.state == ISSUES and status == SUCCEEDED:
                status = ISSUES
        return status

    def _with_implied(self, job: Job, hook: str, pipeline: Pipeline) -> list[Step]:
        """The steps, with those that the service adds: checkout in jobs, downloads in the deploy hook."""
        steps = job.hooks[hook]
        added: list[Step] = []
        if not job.deployment and not any(step.uses == "checkout" for step in steps):
            added.append(Step("checkout", {"checkout": "self"}, title="Checkout", where=job.where))
        if hook == "deploy" and not any(step.uses == "download" for step in steps):
            names = ["current", *(str(item["pipeline"]) for item in pipeline.triggers.get("pipelines", []))]
            added.extend(
                Step("download", {"download": name}, title=f"Download {name}", where=job.where) for name in names
            )
        return added + steps

    # ---- steps ---------------------------------------------------------------------------------------------------
    def _step(
        self, context: StepContext, job: JobResult, variables: Variables, runtime: AzureRuntime, label: str
    ) -> None:
        step, found = context.step, context.result
        task = tasks.known(step, self.project)
        context.inputs = {key: runtime.text(value, variables, step.where) for key, value in step.inputs.items()}
        found.title = runtime.text(step.title, variables, step.where)
        if task.connection and context.inputs[task.connection] not in self.project.connections:
            name = context.inputs[task.connection]
            raise PipelineError(f"there is no service connection {name!r}", where=step.where)
        context.env = self.world.environment(context.folders.home, signed_in=task.connection is not None)
        context.env |= variables.environment()
        context.env |= {key: runtime.text(value, variables, step.where) for key, value in step.env.items()}
        self._shortened(context)
        commands: list[logging_commands.Command] = []

        def hear(line: str) -> str | None:
            command = logging_commands.read(line, step.where)
            if command is not None:
                commands.append(command)
                return None
            for secret in variables.secrets():
                line = line.replace(secret, "***")
            self.observe(runtime.result, line)
            return line

        context.hear = hear
        found.state, started = RUNNING, time.monotonic()
        self.observe(runtime.result, found)
        try:
            found.exit_code = task.run(context)
        except RehearseError as error:
            error.where = error.where or step.where
            raise
        finally:
            found.seconds = time.monotonic() - started
        self._obey(commands, context, job, variables, runtime)
        if found.state == RUNNING:
            found.state = SUCCEEDED if found.exit_code == 0 else FAILED
        if found.state == FAILED and runtime.text(step.continue_on_error, variables, step.where).lower() == "true":
            found.state = ISSUES
        self.observe(runtime.result, found)

    def _shortened(self, context: StepContext) -> None:
        for key in ("script", "inlineScript"):
            if key not in context.inputs:
                continue
            context.result.command = context.inputs[key].strip()
            short = self.project.shortened.get(context.result.command)
            if short is not None and self.shorten:
                context.inputs[key] = short
                context.result.note = f"shortened to: {short}"

    def _obey(
        self, commands: list[logging_commands.Command], context: StepContext, job: JobResult, variables: Variables,
        runtime: AzureRuntime,
    ) -> None:  # fmt: skip
        for command in commands:
            if command.name == "task.setvariable":
                name = command.properties.get("variable", "")
                if not name:
                    raise PipelineError("##vso[task.setvariable] without a name", where=context.step.where)
                if command.flag("isOutput"):
                    if context.step.name is None:
                        raise PipelineError(
                            f"the output {name!r} comes from a step without a name", where=context.step.where
                        )
                    hook = f"{context.job.name}." if context.job.deployment else ""
                    job.outputs[f"{hook}{context.step.name}.{name}"] = command.text
                    variables.set(f"{context.step.name}.{name}", command.text, secret=command.flag("isSecret"))
                else:
                    variables.set(name, command.text, secret=command.flag("isSecret"))
            elif command.name == "task.complete":
                states = {"succeeded": SUCCEEDED, "succeededwithissues": ISSUES, "failed": FAILED}
                context.result.state = states[command.properties.get("result", "Succeeded").lower()]
            elif command.name == "build.addbuildtag":
                runtime.result.tags.append(command.text.strip())
            elif command.name == "build.updatebuildnumber":
                runtime.base.set("Build.BuildNumber", command.text.strip())
            elif command.name == "task.logissue":
                context.say(f"{command.properties.get('type', 'issue')}: {command.text}")
            elif command.name == "artifact.upload":
                name = command.properties.get("artifactname", "drop")
                tasks.copy(context.inside(command.text.strip()), context.run_folder / "artifacts" / name)


def _folder_variables(folders: Folders) -> dict[str, str]:
    return {
        "Pipeline.Workspace": str(folders.workspace),
        "Agent.BuildDirectory": str(folders.workspace),
        "Build.SourcesDirectory": str(folders.sources),
        "Build.ArtifactStagingDirectory": str(folders.staging),
        "System.DefaultWorkingDirectory": str(folders.sources),
        "System.ArtifactsDirectory": str(folders.staging),
        "Agent.TempDirectory": str(folders.temp),
    }


def in_order(items: list[Any]) -> list[Any]:
    """Stages or jobs so that each comes after what it needs, else as written.

    Raises
    ------
    PipelineError
        They need each other in a circle.
    """
    done: list[Any] = []
    names: set[str] = set()
    todo = list(items)
    while todo:
        ready = next((item for item in todo if all(need in names for need in item.needs)), None)
        if ready is None:
            circle = ", ".join(to_text(item.name) for item in todo)
            raise PipelineError(f"these depend on each other in a circle: {circle}", where=todo[0].where)
        todo.remove(ready)
        done.append(ready)
        names.add(ready.name)
    return done
