"""What can be said about a workflow without running it."""

from __future__ import annotations

from collections.abc import Iterator

from rehearse.errors import ExpressionError, NotRehearsed, PipelineError, RehearseError
from rehearse.github.evaluate import FUNCTIONS, STATUS
from rehearse.graph import Job, Pipeline, Stage, Step
from rehearse.interpolate import pieces
from rehearse.run.actions import known
from rehearse.run.order import in_order
from rehearse.run.project import Project
from rehearse.source import where
from rehearse.syntax import Call, Index, parse, path_of, walk

_GITHUB = {
    "event_name",
    "event",
    "ref",
    "ref_name",
    "sha",
    "run_id",
    "run_number",
    "workflow",
    "repository",
    "server_url",
}
_TOLD = {"mlops pipeline model": ("model", "registered")}


def problems(pipeline: Pipeline, project: Project) -> list[RehearseError]:
    """Everything that is wrong with the workflow, in the order of the file."""
    return list(_Check(pipeline, project).all())


class _Check:
    def __init__(self, pipeline: Pipeline, project: Project) -> None:
        self.pipeline, self.project = pipeline, project
        self.variables = {name for group in project.groups.values() for name in group} | {"MLOPS_BACKEND"}
        on = pipeline.triggers["on"]
        self.inputs: set[str] = set()
        for trigger in ("workflow_call", "workflow_dispatch"):
            declared = on.get(trigger) if isinstance(on, dict) else None
            self.inputs |= set((declared or {}).get("inputs") or {})

    def all(self) -> Iterator[RehearseError]:
        try:
            in_order(self.pipeline.stages)
        except RehearseError as error:
            yield error
        top = {entry.name for entry in self.pipeline.variables}
        for entry in self.pipeline.variables:
            yield from self._text(entry.value, set(), {}, self.inputs, entry.where)
        outputs = {stage.name: _outputs(stage) for stage in self.pipeline.stages}
        for stage in self.pipeline.stages:
            needs = {name: outputs[name] for name in stage.needs}
            yield from self._expression(stage.condition, set(), {"needs": needs}, self.inputs, stage.where)
            called = "calls" in stage.extra
            for value in (stage.extra.get("with") or {}).values():
                yield from self._text(str(value), set(), {"needs": needs}, self.inputs, where(value) or stage.where)
            names = {entry.name for entry in stage.variables} if called else top
            inputs = set(stage.extra["inputs"]) if called else self.inputs
            for job in stage.jobs:
                inner = (
                    {other.name: set(other.outputs) for other in stage.jobs if other.name in job.needs}
                    if called
                    else needs
                )
                yield from self._job(job, names | {entry.name for entry in job.variables}, inner, inputs, called)

    def _job(
        self, job: Job, names: set[str], needs: dict[str, set[str]], inputs: set[str], called: bool
    ) -> Iterator[RehearseError]:
        if job.environment and "${{" not in job.environment and job.environment not in self.project.environments:
            yield PipelineError(f"there is no environment {job.environment!r}", where=job.where)
        if called:
            yield from self._expression(job.condition, names, {"needs": needs}, inputs, job.where)
        steps: dict[str, set[str] | None] = {}
        for step in job.steps:
            contexts = {"needs": needs, "steps": dict(steps)}
            try:
                action = known(step)
            except RehearseError as error:
                yield error
                continue
            if action.signs_in and (job.extra.get("permissions") or {}).get("id-token") != "write":
                yield PipelineError(f"{step.uses} needs the permission id-token: write in its job", where=step.where)
            yield from self._expression(step.condition, names, contexts, inputs, step.where)
            for value in (*step.inputs.values(), *step.env.values()):
                yield from self._text(str(value), names | set(step.env), contexts, inputs, where(value) or step.where)
            if step.name:
                steps[step.name] = _given_by(step)
        for value in job.outputs.values():
            yield from self._text(value, names, {"needs": needs, "steps": steps}, inputs, job.where)

    def _text(
        self, text: str, names: set[str], contexts: object,
        inputs: set[str], place: str | None,
    ) -> Iterator[RehearseError]:  # fmt: skip
        try:
            found = [content for is_expression, content in pieces(text, "${{", "}}", place) if is_expression]
        except ExpressionError as error:
            yield error
            return
        for content in found:
            yield from self._expression(content, names, contexts, inputs, place)

    def _expression(
        self, text: str | None, names: set[str], contexts: object, inputs: set[str], place: str | None
    ) -> Iterator[RehearseError]:
        if text is None:
            return
        place = where(text) or place
        bare = text.strip().removeprefix("${{").removesuffix("}}")
        try:
            expression = parse(bare, operators=True, where=place)
        except ExpressionError as error:
            yield error
            return
        for part in walk(expression):
            if isinstance(part, Call) and part.function.lower() not in (*FUNCTIONS, *STATUS, "&&", "||"):
                yield NotRehearsed(f"the function {part.function}() is not known here", where=place)
            path = path_of(part) if isinstance(part, Index) else None
            if path is not None:
                yield from self._path(path, names, contexts, inputs, place)

    def _path(
        self, path: list[str], names: set[str], contexts: object, inputs: set[str], place: str | None
    ) -> Iterator[RehearseError]:
        head, rest = path[0], path[1:]
        plain = {"vars": self.variables, "env": names, "inputs": inputs, "github": _GITHUB}
        if head in plain and len(rest) == 1 and rest[0] not in plain[head]:
            yield PipelineError(f"{head}.{rest[0]} does not exist", where=place)
        if path[:3] == ["github", "event", "inputs"] and len(path) == 4 and path[3] not in self.inputs:
            yield PipelineError(f"there is no input {path[3]!r}", where=place)
        if head in ("needs", "steps") and isinstance(contexts, dict):
            known_here = contexts.get(head, {})
            if len(rest) == 1 and rest[0] not in known_here:
                yield PipelineError(f"{head}.{rest[0]} does not exist here", where=place)
            if len(rest) == 3 and rest[1] == "outputs":
                outputs = known_here.get(rest[0])
                if outputs is not None and rest[2] not in outputs:
                    yield PipelineError(f"{head}.{rest[0]} has no output {rest[2]!r}", where=place)


def _outputs(stage: Stage) -> set[str]:
    if "calls" in stage.extra:
        return set(stage.extra["outputs"])
    return set(stage.jobs[0].outputs)


def _given_by(step: Step) -> set[str] | None:
    """Names of the outputs of a step; ``None`` when that cannot be said."""
    for command, outputs in _TOLD.items():
        if command in (step.script or "") and "--ci" in (step.script or ""):
            return set(outputs)
    return None
