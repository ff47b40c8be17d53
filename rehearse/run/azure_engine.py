"""Run an Azure pipeline: stages, jobs, hooks of deployments, steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rehearse.errors import PipelineError
from rehearse.graph import Job, Pipeline, Stage
from rehearse.run import gates
from rehearse.run.azure_agent import AzureAgent
from rehearse.run.azure_runtime import AzureRuntime, Variables
from rehearse.run.gates import Approve, grant
from rehearse.run.order import in_order
from rehearse.run.project import Project
from rehearse.run.results import (
    CANCELED,
    FAILED,
    GOOD,
    ISSUES,
    MINUTE,
    RUNNING,
    SKIPPED,
    WAITING,
    JobResult,
    Observer,
    RunResult,
    StageResult,
    combined,
    nobody,
)
from rehearse.run.world import StoredRun, World

_HOOKS = ("preDeploy", "deploy", "routeTraffic", "postRouteTraffic")


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
        minute: float = MINUTE,
    ) -> None:
        self.world, self.project, self.approve, self.observe = world, project, approve, observe
        self.strict = strict
        self.counters: dict[str, dict[str, int]] = {}
        self.agent = AzureAgent(world, project, observe, shorten, minute)

    def watch(self, observe: Observer) -> None:
        """Tell another observer from now on."""
        self.observe = self.agent.observe = observe

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
        chosen = dict(chosen_runs or {})
        self._resolvable(pipeline, chosen)
        identifier, folder = self.world.new_run(pipeline.name)
        result = RunResult(pipeline.name, identifier, reason, RUNNING)
        for stage in pipeline.stages:
            jobs = {job.name: JobResult(job.name, job.title, environment=job.environment) for job in stage.jobs}
            result.stages[stage.name] = StageResult(stage.name, stage.title, jobs=jobs)
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

    def _resolvable(self, pipeline: Pipeline, chosen: Mapping[str, str]) -> None:
        """Each pipeline resource is resolved before a run starts, also one that the run has no use for.

        Source: the service's words when it cannot, as in github.com/microsoft/azure-pipelines-yaml/issues/459.
        """
        for item in pipeline.triggers.get("pipelines", []):
            name = str(item["source"])
            if name not in chosen and self.world.latest(name) is None:
                raise PipelineError(
                    f"the pipeline is not valid: unable to resolve latest version for pipeline {item['pipeline']!s}",
                    where=item.where,
                    hint=f"no run of {name} has succeeded yet",
                )

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

        def waiting() -> None:
            result.state = WAITING
            self.observe(runtime.result, result)

        branch = str(runtime.base.get("Build.SourceBranch"))
        for job in stage.jobs:
            if job.environment is None:
                continue
            job.environment = runtime.text(job.environment, runtime.stage_variables(stage), job.where)
            result.jobs[job.name].environment = job.environment
            passed, done, note = gates.check(job.environment, self.project, branch, self.approve, waiting, job.where)
            result.checks.extend(done)
            if not passed:
                result.note = note
                return False
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
                states.append(self.agent.steps(job, "steps", result, own, runtime, folder, label, chosen))
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
            states.append(self.agent.steps(job, hook, result, variables, runtime, folder, f"{label}.{hook}", chosen))
            if states[-1] not in GOOD:
                break
        outcome = "on.success" if states and all(state in GOOD for state in states) else "on.failure"
        if outcome in job.hooks:
            states.append(
                self.agent.steps(job, outcome, result, variables, runtime, folder, f"{label}.{outcome}", chosen)
            )
        return combined(states)
