"""Both kinds of pipeline in one form, so that they can be compared: what runs, where, in which order, when."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rehearse.github.evaluate import Evaluator, truthy
from rehearse.graph import Job, Pipeline, Stage, Step
from rehearse.syntax import Call, Expression, Index, Literal, Name, parse, walk


@dataclass(frozen=True)
class Done:
    """One step of a job, in words that both kinds share.

    ``what`` is the command, or what the task or action stands for: ``checkout``, ``python``, ``upload NAME`` ...
    """

    what: str
    condition: str = ""
    signed_in: bool = False


@dataclass(frozen=True)
class Work:
    """One job: after which jobs, under what condition, for which environment, and its steps."""

    name: str
    after: tuple[str, ...]
    condition: str
    environment: str | None
    steps: tuple[Done, ...]


def flow(pipeline: Pipeline, backend: str = "azure") -> list[Work]:
    """The jobs of a pipeline in the order of the file.

    What differs by nature is left out: how an agent is asked for, how one signs in (a step of its own on GitHub, a task
    on Azure), how reports are published (tasks that show them on Azure, an artifact on GitHub).
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
                    tuple(_steps(_chosen(steps, stage), pipeline.kind, backend)),
                )
            )
    return work


def _chosen(steps: list[Step], stage: Stage) -> list[Step]:
    """Steps of a called workflow without those that its caller's inputs rule out."""
    if "calls" not in stage.extra:
        return steps
    declared = {str(name): (value or {}).get("default", "") for name, value in stage.extra["inputs"].items()}
    inputs = {**declared, **{str(name): str(value) for name, value in stage.extra["with"].items()}}
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
            needed = {need for inner in other.jobs for need in inner.needs}
            found.extend(inner.name for inner in other.jobs if inner.name not in needed and not _rescue(inner))
            found.extend(
                inner.name for inner in other.jobs if inner.name in needed and _only_rescued(other, inner.name)
            )
    return sorted(set(found))


def _rescue(job: Job) -> bool:
    """Whether a job runs only when another one failed."""
    return job.condition is not None and "fail" in job.condition


def _only_rescued(stage: Stage, name: str) -> bool:
    return all(_rescue(job) for job in stage.jobs if name in job.needs)


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
            done.append(Done(command, condition(step.condition, kind), cloud))
        elif name in ("publish", "actions/upload-artifact"):
            artifact = str(step.inputs.get("artifact") or step.inputs.get("name"))
            path = str(step.inputs.get("publish") or step.inputs.get("path"))
            if artifact != "reports":
                done.append(Done(f"upload {artifact} from {path}", condition(step.condition, kind)))
        elif name in ("download", "actions/download-artifact"):
            artifact = str(step.inputs.get("artifact") or step.inputs.get("name"))
            if not any(item.what == f"download {artifact}" for item in done):
                done.append(Done(f"download {artifact}"))
        else:
            done.append(Done(_MEANS.get(name, step.uses)))
    return done


def _command(step: Step) -> str:
    """The command, with variables of the step and build ids in one spelling."""
    text = str(step.script).strip()
    for name, value in step.env.items():
        if name == "BUILD_ID":
            text = text.replace('"$BUILD_ID"', str(value))
    text = re.sub(r'"?(\$\(Build\.BuildId\)|\$\{\{ (github\.run_id|inputs\.build-id) \}\})"?', "BUILD", text)
    return re.sub(r'"?\$\(([A-Z]+_INPUT)\)"?', r'"$\1"', text)


def condition(text: str | None, kind: str) -> str:
    """A condition in one spelling; empty for the usual one."""
    if text is None:
        return ""
    bare = text.strip().removeprefix("${{").removesuffix("}}")
    shown = _words(parse(bare, operators=kind == "github"))
    return "" if shown in ("succeeded", "backend") else shown


_SAME = {"success": "succeeded", "failure": "failed", "cancelled": "canceled"}


def _words(expression: Expression) -> str:
    if isinstance(expression, Literal):
        return f"'{expression.value}'"
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Index):
        return _reference(expression)
    assert isinstance(expression, Call)  # noqa: S101
    name = expression.function.lower()
    name = {"&&": "and", "||": "or", "==": "eq", "!=": "ne", "!": "not"}.get(name, _SAME.get(name, name))
    parts = [_words(part) for part in expression.arguments]
    if name in ("and", "or"):
        flat = sorted({part for text in parts for part in (text.split(f" {name} ") if f" {name} " in text else [text])})
        useful = [part for part in flat if name == "or" or part not in ("succeeded", "always")]
        return f" {name} ".join(useful) or "succeeded"
    if name == "succeededorfailed":
        return "failed or succeeded"
    if name == "eq" and parts[0].startswith("result of "):
        return {"'success'": "succeeded", "'failure'": "failed"}.get(parts[1], parts[1]) + " " + parts[0][10:]
    if name in ("succeeded", "failed") and parts:
        return " and ".join(sorted(f"{name} {part.strip(chr(39))}" for part in parts))
    return f"{name}({', '.join(parts)})" if parts else name


def _reference(expression: Index) -> str:
    key = expression.key.value if isinstance(expression.key, Literal) else "*"
    inner = expression.of
    if isinstance(inner, Index) and isinstance(inner.key, Literal) and key == "result":
        return f"result of {inner.key.value}"
    text = str(key)
    # An output of a step, an input or a queue variable is known by its last name on both sides.
    return text.rpartition(".")[2]
