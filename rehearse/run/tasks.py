"""The tasks of Azure Pipelines that the interpreter can carry out. Any other is named as unknown before a run starts.

Inputs as in learn.microsoft.com/azure/devops/pipelines/tasks/reference (one page a task).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearse.errors import NotRehearsed, PipelineError
from rehearse.graph import Step
from rehearse.run import reports, scripts
from rehearse.run.context import StepContext
from rehearse.run.project import Project


@dataclass(frozen=True)
class Task:
    """One task: the inputs that it has, those that it must be given, and what it does."""

    run: Callable[[StepContext], int]
    inputs: frozenset[str]
    required: frozenset[str] = frozenset()
    connection: str | None = None
    """The input that names a service connection."""


def _script(context: StepContext) -> int:
    if context.flag("failOnStderr"):
        raise NotRehearsed("'failOnStderr' is not known here", where=context.step.where)
    return run_script(context, context.inputs["script"])


def run_script(context: StepContext, text: str) -> int:
    """Run a script as ``CmdLine`` and ``Bash`` do: no ``-e``, so the last command's exit code counts."""
    cwd = context.inputs.get("workingDirectory") or context.inputs.get("cwd")
    script = scripts.Script(
        text,
        context.inside(cwd) if cwd else context.folders.sources,
        context.env,
        context.folders.temp / f"step-{context.number}.sh",
        timeout=scripts.left(context.deadline),
        place=context.step.where,
    )
    return scripts.run(script, context.result, context.hear)


def _bash(context: StepContext) -> int:
    if context.inputs.get("targetType", "inline").lower() != "inline":
        raise NotRehearsed("Bash@3 with a file is not known here: use an inline script", where=context.step.where)
    return _script(context)


def _azure_cli(context: StepContext) -> int:
    if context.inputs["scriptType"] != "bash":
        kind = context.inputs["scriptType"]
        raise NotRehearsed(f"the script type {kind!r} is not known here", where=context.step.where)
    if context.inputs["scriptLocation"] != "inlineScript":
        raise NotRehearsed("AzureCLI with a script file is not known here", where=context.step.where)
    if not context.inputs.get("inlineScript", "").strip():
        raise PipelineError("the step has no inline script", where=context.step.where)
    return run_script(context, context.inputs["inlineScript"])


def _python(context: StepContext) -> int:
    asked = context.inputs.get("versionSpec", "3.x")
    have = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not asked.replace("x", have.partition(".")[2]).startswith(have):
        context.result.note = f"asks for {asked}, rehearsed with {have}"
    return 0


def _test_results(context: StepContext) -> int:
    if context.inputs.get("testResultsFormat", "JUnit") != "JUnit":
        raise NotRehearsed("only JUnit results are known here", where=context.step.where)
    base = context.inside(context.inputs.get("searchFolder") or str(context.folders.sources))
    files = reports.find(context.inputs.get("testResultsFiles", "**/TEST-*.xml"), base)
    if not files:
        context.result.note = "no test results"
        return 1 if context.flag("failTaskOnMissingResultsFile") else 0
    total, failed, skipped = reports.tests(files)
    context.result.note = f"{total} tests, {failed} failed, {skipped} skipped"
    return 1 if failed and context.flag("failTaskOnFailedTests") else 0


def _coverage(context: StepContext) -> int:
    files = reports.find(context.inputs["summaryFileLocation"], context.folders.sources)
    if not files:
        context.result.note = "no coverage report"
        return 1 if context.flag("failIfCoverageEmpty") else 0
    context.result.note = f"{reports.coverage(files[0]):.0%} of lines"
    return 0


def _checkout(context: StepContext) -> int:
    what = context.inputs["checkout"]
    if what == "none":
        return 0
    if what != "self":
        raise NotRehearsed(f"checkout of {what!r}: only 'self' is known here", where=context.step.where)
    context.world.check_out(context.folders.sources)
    return 0


def _publish(context: StepContext) -> int:
    source = context.inside(context.inputs["publish"])
    name = context.inputs.get("artifact") or "drop"
    if not source.exists():
        context.say(f"{context.inputs['publish']} does not exist")
        return 1
    target = context.run_folder / "artifacts" / name
    if target.exists():
        context.say(f"the artifact {name} is there already")
        return 1
    copy(source, target)
    context.result.note = f"artifact {name}"
    return 0


def _download(context: StepContext) -> int:
    what = context.inputs["download"]
    if what == "none":
        return 0
    if what == "current":
        return _fetch(context, context.run_folder / "artifacts", context.folders.workspace, "this run")
    if what not in context.resources:
        raise PipelineError(f"there is no pipeline resource {what!r}", where=context.step.where)
    return fetch_resource(context, what)


def fetch_resource(context: StepContext, alias: str) -> int:
    """Download from the run of another pipeline: the chosen one, else the newest."""
    name = context.resources[alias]
    chosen = context.chosen_runs.get(name)
    stored = next((run for run in context.world.runs if run.pipeline == name and run.id == chosen), None)
    stored = stored or (context.world.latest(name) if chosen in (None, "latest") else None)
    if stored is None:
        context.say(f"there is no run {chosen or ''} of the pipeline {name}".replace("  ", " "))
        return 1
    return _fetch(context, stored.folder / "artifacts", context.folders.workspace / alias, f"run {stored.id} of {name}")


def _fetch(context: StepContext, place: Path, target: Path, whose: str) -> int:
    if context.inputs.get("patterns"):
        raise NotRehearsed("'patterns' of a download is not known here", where=context.step.where)
    wanted = context.inputs.get("artifact")
    names = [wanted] if wanted else sorted(child.name for child in place.iterdir()) if place.is_dir() else []
    for name in names:
        if not (place / name).is_dir():
            context.say(f"{whose} has no artifact {name}")
            return 1
        copy(place / name, target / name)
    context.result.note = f"{', '.join(names) or 'nothing'} from {whose}"
    return 0


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder into the folder `target`."""
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target / source.name)


_AZURE_CLI_INPUTS = frozenset(
    "azureSubscription connectedServiceNameARM scriptType scriptLocation scriptPath inlineScript scriptArguments "  # noqa: SIM905
    "arguments workingDirectory cwd addSpnToEnvironment useGlobalConfig failOnStandardError visibleAzLogin "
    "allowNoSubscriptions keepAzSessionActive".split()
)
_AZURE_CLI = Task(
    _azure_cli,
    _AZURE_CLI_INPUTS,
    frozenset({"azureSubscription", "scriptType", "scriptLocation"}),
    "azureSubscription",
)  # fmt: skip

TASKS: dict[str, Task] = {
    "CmdLine@2": Task(_script, frozenset({"script", "workingDirectory", "failOnStderr"}), frozenset({"script"})),
    "Bash@3": Task(
        _bash,
        frozenset({"targetType", "script", "workingDirectory", "failOnStderr", "bashEnvValue"}),
        frozenset({"script"}),
    ),
    "AzureCLI@2": _AZURE_CLI,
    "AzureCLI@3": _AZURE_CLI,
    "UsePythonVersion@0": Task(
        _python, frozenset({"versionSpec", "addToPath", "architecture", "disableDownloadFromRegistry", "allowUnstable"})
    ),
    "PublishTestResults@2": Task(
        _test_results,
        frozenset(
            {
                "testResultsFormat", "testResultsFiles", "searchFolder", "mergeTestResults", "failTaskOnFailedTests",
                "failTaskOnMissingResultsFile", "failTaskOnFailureToPublishResults", "testRunTitle",
            }
        ),
        frozenset({"testResultsFormat", "testResultsFiles"}),
    ),
    "PublishCodeCoverageResults@2": Task(
        _coverage,
        frozenset({"summaryFileLocation", "pathToSources", "failIfCoverageEmpty"}),
        frozenset({"summaryFileLocation"}),
    ),
    "checkout": Task(_checkout, frozenset({"checkout", "clean", "fetchDepth", "fetchTags", "persistCredentials"})),
    "publish": Task(_publish, frozenset({"publish", "artifact"})),
    "download": Task(_download, frozenset({"download", "artifact", "patterns"})),
}  # fmt: skip


def known(step: Step, project: Project | None = None) -> Task:
    """The task of a step, its inputs checked.

    Raises
    ------
    NotRehearsed
        The task is not known here.
    PipelineError
        An input is unknown or missing.
    """
    task = TASKS.get(step.uses)
    if task is None:
        raise NotRehearsed(
            f"the task {step.uses} is not known here", where=step.where, hint=f"known: {', '.join(TASKS)}"
        )
    for name in step.inputs:
        if name not in task.inputs:
            raise PipelineError(
                f"{step.uses} has no input {str(name)!r}", where=getattr(name, "where", None) or step.where
            )
    for name in task.required:
        if name not in step.inputs:
            raise PipelineError(f"{step.uses} needs the input {name!r}", where=step.where)
    return task
