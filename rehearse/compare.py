"""Both kinds of pipeline in one form, so that they can be compared: what runs, where, in which order, when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rehearse.conditions import condition, rescues
from rehearse.github.evaluate import Evaluator, truthy
from rehearse.graph import Job, Pipeline, Stage, Step
from rehearse.syntax import Name, parse, walk


@dataclass(frozen=True)
class Done:
    """One step of a job, in words that both kinds share.

    ``what`` is the command, or what the task or action stands for: ``checkout``, ``python``, ``upload NAME`` ...
    ``settings`` are variables of its own with a constant value, and whether its failure is tolerated.
    """

    what: str
    condition: str = ""
    signed_in: bool = False
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """One job: after which jobs, under what condition, for which environment, its time limit, and its steps."""

    name: str
    after: tuple[str, ...]
    condition: str
    environment: str | None
    minutes: int
    steps: tuple[Done, ...]


def flow(pipeline: Pipeline, backend: str = "azure", inputs: Mapping[str, str] | None = None) -> list[Work]:
    """The jobs of a pipeline in the order of the file.

    What differs by nature is left out: how an agent is asked for, how one signs in (a step of its own on GitHub, a task
    on Azure), how reports are published (tasks that show them on Azure, an artifact on GitHub).

    Parameters
    ----------
    backend : str
        Steps are signed in for ``azure`` alone.
    inputs : mapping of str to str, optional
        What a workflow was started with, where its steps ask for that. (Azure's parameters are in what it expands to.)
    """
    work: list[Work] = []
    for stage in pipeline.stages:
        for job in stage.jobs:
            steps = [step for hook in job.hooks.values() for step in hook]
            conditions = [stage.condition if _first(stage, job) else None, job.condition]
            work.append(
                Work(
                    job.name,
                    tuple(sorted(_after(pipeline, stage, job))),
                    " and ".join(filter(None, (condition(text, pipeline.kind) for text in conditions))),
                    job.environment,
                    job.minutes,
                    tuple(_steps(_chosen(steps, _inputs(stage, inputs)), pipeline.kind, backend)),
                )
            )
    return work


def _inputs(stage: Stage, given: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """What the jobs of a stage are given: a called workflow by its caller, else by its defaults."""
    if "calls" not in stage.extra:
        return given
    declared = {str(name): (value or {}).get("default", "") for name, value in stage.extra["inputs"].items()}
    return {**declared, **{str(name): str(value) for name, value in stage.extra["with"].items()}}


def _chosen(steps: list[Step], inputs: Mapping[str, str] | None) -> list[Step]:
    """Steps without those that the inputs rule out."""
    if inputs is None:
        return steps
    chosen: list[Step] = []
    for step in steps:
        expression = parse(step.condition, operators=True) if step.condition else None
        names = {part.name for part in walk(expression) if isinstance(part, Name)} if expression else set()
        if expression is not None and names == {"inputs"}:
            if truthy(Evaluator({"inputs": inputs}).value(expression, step.where)):
                chosen.append(replace(step, condition=None))
            continue
        chosen.append(step)
    return chosen


def _first(stage: Stage, job: Job) -> bool:
    return not job.needs


def _after(pipeline: Pipeline, stage: Stage, job: Job) -> list[str]:
    """The jobs that a job waits for: those it names, or the last ones of the stages before."""
    if job.needs:
        return list(job.needs)
    found: list[str] = []
    for other in pipeline.stages:
        if other.name in stage.needs:
            usual = [inner for inner in other.jobs if not rescues(inner.condition, pipeline.kind)]
            needed = {need for inner in usual for need in inner.needs}
            found.extend(inner.name for inner in usual if inner.name not in needed)
    return sorted(set(found))


_MEANS = {
    "checkout": "checkout", "actions/checkout": "checkout",
    "UsePythonVersion": "python", "actions/setup-python": "python",
}  # fmt: skip


def _steps(steps: list[Step], kind: str, backend: str) -> list[Done]:
    done: list[Done] = []
    signed = False
    for step in steps:
        name = step.uses.partition("@")[0]
        if name == "azure/login":
            signed = signed or backend == "azure"
            continue
        if name in ("PublishTestResults", "PublishCodeCoverageResults"):
            continue
        if step.script is not None:
            command = _command(step)
            cloud = signed if kind == "github" else name == "AzureCLI"
            # What signs in for the whole job on GitHub counts for the commands that use the cloud.
            done.append(Done(command, condition(step.condition, kind), cloud, _settings(step)))
        elif name in ("publish", "actions/upload-artifact"):
            artifact = str(step.inputs.get("artifact") or step.inputs.get("name"))
            path = str(step.inputs.get("publish") or step.inputs.get("path"))
            if artifact != "reports":
                done.append(
                    Done(f"upload {artifact} from {path}", condition(step.condition, kind), False, _settings(step))
                )
        elif name in ("download", "actions/download-artifact"):
            artifact = str(step.inputs.get("artifact") or step.inputs.get("name"))
            if step.inputs.get("download") != "none":
                done.append(Done(f"download {artifact}", condition(step.condition, kind), False, _settings(step)))
        else:
            done.append(Done(_MEANS.get(name, step.uses), condition(step.condition, kind), False, _settings(step)))
    return done


def _settings(step: Step) -> tuple[str, ...]:
    """What else makes a difference: variables whose value is the same on both kinds, a failure that does not count."""
    found = [f"{name}={value}" for name, value in sorted(step.env.items()) if "$" not in str(value)]
    if str(step.continue_on_error).lower() != "false":
        found.append(f"tolerated if {step.continue_on_error}")
    return (*found, *([] if step.enabled else ["disabled"]))


def _command(step: Step) -> str:
    """The command, with variables of the step and build ids in one spelling."""
    text = str(step.script).strip()
    for name, value in step.env.items():
        if name == "BUILD_ID":
            text = text.replace('"$BUILD_ID"', str(value))
    text = re.sub(r'"?(\$\(Build\.BuildId\)|\$\{\{ (github\.run_id|inputs\.build-id) \}\})"?', "BUILD", text)
    return re.sub(r'"?\$\(([A-Z]+_INPUT)\)"?', r'"$\1"', text)
