"""What an agent does with the steps of one job or hook of an Azure pipeline."""

from __future__ import annotations

import time
from pathlib import Path

from rehearse.azure import logging_commands
from rehearse.errors import NotRehearsed, PipelineError, RehearseError
from rehearse.graph import Job, Pipeline, Step
from rehearse.run import tasks
from rehearse.run.azure_runtime import AzureRuntime, Variables
from rehearse.run.context import Folders, StepContext
from rehearse.run.project import Project
from rehearse.run.results import (
    CANCELED,
    FAILED,
    ISSUES,
    LAST_MINUTES,
    MINUTE,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    JobResult,
    Observer,
    StepResult,
)
from rehearse.run.world import World


class AzureAgent:
    """Runs steps in one world."""

    def __init__(
        self, world: World, project: Project, observe: Observer, shorten: bool, minute: float = MINUTE
    ) -> None:
        self.world, self.project, self.observe, self.shorten, self.minute = world, project, observe, shorten, minute

    def steps(
        self, job: Job, hook: str, result: JobResult, variables: Variables, runtime: AzureRuntime, folder: Path,
        label: str, chosen: dict[str, str],
    ) -> str:  # fmt: skip
        """Run the steps of one hook as an agent does: own folders, own variables; return the state."""
        variables = variables.copy()
        folders = Folders.make(folder / "agents" / label)
        variables.update(_folder_variables(folders))
        status, deadline = SUCCEEDED, time.monotonic() + job.minutes * self.minute
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
                chosen, number, deadline,
            )  # fmt: skip
            self._step(context, result, variables, runtime, label)
            if found.state in (FAILED, CANCELED):
                if found.state == CANCELED:
                    deadline = time.monotonic() + LAST_MINUTES * self.minute
                status = CANCELED if CANCELED in (status, found.state) else FAILED
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
        if found.exit_code and context.late():
            found.state, found.note = CANCELED, f"stopped: the job may take {context.job.minutes} minutes"
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
                told = command.properties.get("result", "Succeeded")
                if told.lower() not in states:
                    raise NotRehearsed(f"##vso[task.complete] with the result {told!r}", where=context.step.where)
                context.result.state = states[told.lower()]
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
