"""What can be said about an expanded pipeline without running it: every name that is used must exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearse.errors import ExpressionError, PipelineError, RehearseError
from rehearse.graph import Job, Pipeline, Stage, Step, Variable
from rehearse.interpolate import pieces
from rehearse.run.azure_runtime import _IDENTIFIER, _MACRO
from rehearse.run.order import in_order
from rehearse.run.project import Project
from rehearse.run.tasks import known
from rehearse.source import where
from rehearse.syntax import Call, Index, Literal, parse, path_of, walk

# Names that the service gives, from learn.microsoft.com/azure/devops/pipelines/build/variables.
_PREDEFINED = re.compile(
    r"(?i)(build|system|agent|pipeline|environment|strategy|checks)\.[\w.]+$|tf_build$|resources\.(pipeline\.[\w-]+\.\w+|"
    r"triggeringalias|triggeringcategory)$"
)
_SET = re.compile(r"##vso\[task\.setvariable\s+variable=([\w.]+)", re.IGNORECASE)
# `--ci` makes the command say what it found as output variables of its step.
_TOLD = {"mlops pipeline model": ("model", "registered")}
_STATUS = {"succeeded", "failed", "succeededorfailed", "always", "canceled"}


def problems(pipeline: Pipeline, project: Project) -> list[RehearseError]:
    """Everything that is wrong with the pipeline, in the order of the file."""
    return list(_Check(pipeline, project).all())


class _Check:
    def __init__(self, pipeline: Pipeline, project: Project) -> None:
        self.pipeline, self.project = pipeline, project
        self.artifacts: set[str] = set()

    def all(self) -> Iterator[RehearseError]:
        yield from self._try(lambda: in_order(self.pipeline.stages))
        top = set(map(str.lower, self.project.queue_variables))
        yield from self._add(self.pipeline.variables, top)
        names = {str(item["pipeline"]): str(item["source"]) for item in self.pipeline.triggers.get("pipelines", [])}
        for alias, source in names.items():
            if source not in self.project.pipelines:
                yield PipelineError(f"the resource {alias!r} names the pipeline {source!r}, which does not exist")
        for stage in self.pipeline.stages:
            yield from self._try(lambda stage=stage: in_order(stage.jobs))
            known_here = set(top)
            yield from self._add(stage.variables, known_here)
            yield from self._condition(stage.condition, known_here, {"dependencies": set(stage.needs)}, stage.where)
            for job in stage.jobs:
                yield from self._job(stage, job, set(known_here), set(names))

    def _try(self, action: object) -> Iterator[RehearseError]:
        try:
            action()  # type: ignore[operator]
        except RehearseError as error:
            yield error

    def _add(self, entries: list[Variable], names: set[str]) -> Iterator[RehearseError]:
        for entry in entries:
            if entry.group is not None:
                if entry.group not in self.project.groups:
                    yield PipelineError(f"there is no variable group {entry.group!r}", where=entry.where)
                names |= {name.lower() for name in self.project.groups.get(entry.group, {})}
                continue
            yield from self._macros(entry.value, names, entry.where)
            names.add(entry.name.lower())

    def _job(self, stage: Stage, job: Job, names: set[str], resources: set[str]) -> Iterator[RehearseError]:
        for leg in job.matrix.values():
            names |= {name.lower() for name in leg}
        yield from self._condition(job.condition, names, {"dependencies": set(job.needs)}, job.where)
        for entry in job.variables:
            for is_expression, text in pieces(entry.value, "$[", "]", entry.where):
                if is_expression:
                    yield from self._condition(text, names, {"dependencies": set(job.needs)}, entry.where, stage=stage)
        yield from self._add([item for item in job.variables if "$[" not in item.value], names)
        names |= {item.name.lower() for item in job.variables}
        if job.environment:
            yield from self._macros(job.environment, names, job.where)
            name = job.environment.partition(".")[0]
            if "$(" not in name and name not in self.project.environments:
                yield PipelineError(f"there is no environment {name!r}", where=job.where)
        for steps in job.hooks.values():
            own = set(names)
            for step in steps:
                yield from self._step(step, own, resources)
                own |= _set_by(step)

    def _step(self, step: Step, names: set[str], resources: set[str]) -> Iterator[RehearseError]:
        try:
            task = known(step)
        except RehearseError as error:
            yield error
            return
        if step.uses == "publish":
            self.artifacts.add(str(step.inputs.get("artifact") or "drop"))
        if step.uses == "download":
            what, artifact = str(step.inputs["download"]), step.inputs.get("artifact")
            if what not in ("none", "current", *resources):
                yield PipelineError(f"there is no pipeline resource {what!r}", where=step.where)
            if what == "current" and artifact and str(artifact) not in self.artifacts:
                yield PipelineError(f"no earlier job publishes the artifact {str(artifact)!r}", where=step.where)
        if task.connection:
            name = str(step.inputs[task.connection])
            if "$(" not in name and name not in self.project.connections:
                yield PipelineError(f"there is no service connection {name!r}", where=step.where)
        yield from self._condition(step.condition, names, {}, step.where)
        for value in (*step.inputs.values(), *step.env.values(), step.title):
            yield from self._macros(str(value), names, where(value) or step.where)

    def _macros(self, text: str, names: set[str], place: str | None) -> Iterator[RehearseError]:
        for match in _MACRO.finditer(text):
            name = match[1]
            if _IDENTIFIER.match(name) and name.lower() not in names and not _PREDEFINED.match(name):
                yield PipelineError(f"$({name}) is no variable", where=place)

    def _condition(
        self,
        text: str | None,
        names: set[str],
        contexts: dict[str, set[str]],
        place: str | None,
        stage: Stage | None = None,
    ) -> Iterator[RehearseError]:
        if text is None:
            return
        try:
            expression = parse(text, operators=False, where=where(text) or place)
        except ExpressionError as error:
            yield error
            return
        for part in walk(expression):
            if isinstance(part, Call):
                yield from self._call(part, place)
            path = path_of(part) if isinstance(part, Index) else None
            if path is None:
                continue
            head = path[0].lower()
            if (
                head == "variables"
                and len(path) == 2
                and path[1].lower() not in names
                and not _PREDEFINED.match(path[1])
            ):
                yield PipelineError(f"variables['{path[1]}'] is no variable", where=where(text) or place)
            if head == "dependencies" and len(path) == 2 and path[1] not in contexts.get("dependencies", set()):
                yield PipelineError(
                    f"it does not depend on {path[1]!r}, so knows nothing of it", where=where(text) or place
                )
            if head == "stagedependencies" and len(path) == 2 and path[1] not in [s.name for s in self.pipeline.stages]:
                yield PipelineError(f"there is no stage {path[1]!r}", where=where(text) or place)
            if len(path) >= 4 and path[-2].lower() == "outputs":
                yield from self._output(path, stage, where(text) or place)

    def _call(self, call: Call, place: str | None) -> Iterator[RehearseError]:
        from rehearse.azure.evaluate import GENERAL
        from rehearse.errors import NotRehearsed

        name = call.function.lower()
        if name not in GENERAL and name not in _STATUS and name != "counter":
            yield NotRehearsed(f"the function {call.function}() is not known here", where=place)
        if name in _STATUS:
            everything = {item.name for item in self.pipeline.stages} | {job.name for _, job in self.pipeline.jobs}
            for argument in call.arguments:
                if isinstance(argument, Literal) and str(argument.value) not in everything:
                    yield PipelineError(
                        f"{call.function}() names {argument.value!r}, which does not exist", where=place
                    )

    def _output(self, path: list[str], stage: Stage | None, place: str | None) -> Iterator[RehearseError]:
        """``...outputs['job.step.variable']`` of a stage, or ``...outputs['step.variable']`` of a job."""
        keys = path[-1].split(".")
        jobs = {job.name: job for _, job in self.pipeline.jobs}
        job = jobs.get(path[-3]) or jobs.get(keys[0])
        if job is None:
            return
        while keys[0] == job.name and len(keys) > 2:  # a job of a stage; the hook of a deployment, which is named alike
            keys = keys[1:]
        steps = {step.name: step for step in job.steps if step.name}
        if keys[0] not in steps:
            yield PipelineError(f"the job {job.name!r} has no step named {keys[0]!r}", where=place)


def _set_by(step: Step) -> set[str]:
    """Variables that a step's script sets."""
    text = step.script or ""
    found = {name.lower() for name in _SET.findall(text)}
    if step.name:
        found |= {f"{step.name}.{name}".lower() for name in list(found)}
        for command, outputs in _TOLD.items():
            if command in text and "--ci" in text:
                found |= {f"{step.name}.{name}".lower() for name in outputs}
    return found
