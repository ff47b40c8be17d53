"""The declared pipelines: steps, what they need and give, parameters, environment, compute. Every runner uses it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.errors import PipelineError, PipelineNotFound

PARTS = "mlops-parts"
"""Folder of an output whose files are shared out; a name that no table's folder has."""


class Each(Protocol):
    """Does files of a step's first input, one by one, in one process of maybe many."""

    def __call__(self, part: Path) -> str | None:
        """Do one file; the result goes into the step's output. Gives why the run must stop, if it must."""

    def close(self) -> None:
        """End what it has started."""


@dataclass(frozen=True)
class Step:
    """One task. Its output is one folder that holds ``result.json`` and whatever the next steps need."""

    name: str
    function: str
    """``module:name`` of the function; imported only where the step runs."""
    result: str
    """Class in ``pipeline.results`` that ``result.json`` holds."""
    inputs: tuple[str, ...] = ()
    """Steps whose output folders it is given; they run before it."""
    allow_reuse: bool = False
    """Whether an unchanged step may be left out: its result depends on nothing but `inputs`, `depends` and the code."""
    depends: tuple[str, ...] = ()
    """Fields of the configuration that its result depends on: what changes them makes a resumed run do it again."""
    depends_when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further fields that it depends on while a field is set."""
    each: str = ""
    """``module:name`` of what does one file of its first input: see :class:`Each`.

    A runner that has several machines shares the files below ``mlops-parts/`` of that input out among them, instead of
    calling `function`; both do the same work.
    """
    transient: bool = False
    """Its output is bulky and only for the steps after it: a cluster does not keep it with the run, so a resumed run
    makes it again."""

    def load(self) -> Callable[[StepContext], Document]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        function: Callable[[StepContext], Document] = getattr(importlib.import_module(module), name)
        return function

    def load_each(self) -> Callable[[StepContext], Each]:
        """Import what does one file. Raises ``PipelineError`` for a step whose work is not shared out."""
        if not self.each:
            raise PipelineError(f"the work of step {self.name} is not shared out")
        module, _, name = self.each.partition(":")
        found: Callable[[StepContext], Each] = getattr(importlib.import_module(module), name)
        return found

    def settings(self, config: PipelineConfig) -> dict[str, object]:
        """The settings that its result depends on."""
        names = [*self.depends]
        for flag, more in self.depends_when:
            names += more if getattr(config, flag) else ()
        return {name: getattr(config, name) for name in names}

    def result_type(self) -> type[Document]:
        """The class of its result."""
        kind: type[Document] = getattr(importlib.import_module("pipeline.results"), self.result)
        return kind


@dataclass(frozen=True)
class Pipeline:
    """Steps in the order in which they run."""

    name: str
    steps: tuple[Step, ...]
    parameters: tuple[str, ...] = ()
    """Fields of the configuration that whoever submits a published pipeline may set."""
    environment: str = "runtime"
    """Which locked requirements the steps need: ``requirements/locks/<environment>-<minor>.txt``."""
    code: tuple[str, ...] = ("model", "pipeline", "registry", "mlops", "score", "deploy")
    """Folders of the project that the steps run from."""
    compute: str | None = None
    """Name of a compute target; ``None``: the runner's own."""
    kind: str = "training"
    """What it is, whatever it is called: its key in :data:`DECLARED`."""

    def __post_init__(self) -> None:
        known = {item.name for item in fields(PipelineConfig)}
        seen: set[str] = set()
        for step in self.steps:
            missing = [name for name in step.inputs if name not in seen]
            if missing or step.name in seen:
                raise PipelineNotFound(f"step {step.name} of {self.name}: {missing or 'its name is taken'}")
            seen.add(step.name)
            named = {name for flag, more in step.depends_when for name in (flag, *more)}
            unknown = ({*step.depends} | named) - known
            if unknown:
                raise PipelineNotFound(f"step {step.name} depends on unknown settings {sorted(unknown)}")
        if set(self.parameters) - known:
            raise PipelineNotFound(f"{self.name} has unknown parameters {sorted(set(self.parameters) - known)}")

    def step(self, name: str) -> Step:
        """One step by name. Raises ``PipelineNotFound``."""
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join(step.name for step in self.steps)
        raise PipelineNotFound(f"pipeline {self.name} has no step {name!r}", hint=f"its steps: {known}")

    def upto(self, name: str | None) -> tuple[Step, ...]:
        """The steps up to and with `name`; ``None``: all."""
        if name is None:
            return self.steps
        return self.steps[: self.steps.index(self.step(name)) + 1]

    def named(self, name: str) -> Pipeline:
        """The same pipeline under another name."""
        return replace(self, name=name)


TRAINING = Pipeline(
    name="training",
    steps=(
        # Looks at what is registered and in production, so its result may change though nothing here does.
        Step(
            "check_data",
            "pipeline.steps.check_data:check_data",
            "DataResult",
            depends=("data", "data_version", "data_path", "allow_shift"),
        ),
        Step(
            "train",
            "pipeline.steps.train:train",
            "TrainResult",
            inputs=("check_data",),
            allow_reuse=True,
            depends=(
                "experiment",
                "parameters",
                "seed",
                "test_size",
                "search",
                "lock_digest",
            ),
            depends_when=(("search", ("grid", "metric", "direction")),),
        ),
        Step(
            "evaluate",
            "pipeline.steps.evaluate:evaluate",
            "EvaluateResult",
            inputs=("train",),
            depends=("model", "evaluate", "metric", "direction", "margin", "compare_to"),
        ),
        Step(
            "register",
            "pipeline.steps.register:register",
            "RegisterResult",
            inputs=("train", "evaluate"),
            depends=("model",),
        ),
    ),
    parameters=("model", "data", "data_version", "data_path", "parameters", "build_id", "caller_run_id"),
)
"""Check data, train, evaluate, register."""

BATCH = Pipeline(
    name="batch",
    kind="batch",
    steps=(
        Step("split", "pipeline.steps.batch:split", "SplitResult", transient=True),
        Step(
            "score",
            "pipeline.steps.batch:score",
            "ScoreResult",
            inputs=("split",),
            each="pipeline.steps.batch:PartScorer",
            transient=True,
        ),
        Step("join", "pipeline.steps.batch:join", "JoinResult", inputs=("split", "score")),
    ),
    parameters=(
        "model",
        "model_version",
        "data",
        "data_version",
        "scores",
        "chunk_rows",
        "stop_on_bad_row",
        "build_id",
        "caller_run_id",
    ),
)
"""Cut tables into parts, score the parts, put the tables together again with a column of predictions."""

DECLARED = {item.kind: item for item in (TRAINING, BATCH)}
"""Every pipeline of the kit by its kind."""


def declared(kind: str) -> Pipeline:
    """A pipeline of the kit. Raises ``PipelineNotFound``."""
    found = DECLARED.get(kind)
    if found is None:
        raise PipelineNotFound(f"there is no kind of pipeline {kind!r}", hint="published by a newer release?")
    return found


def step_named(name: str) -> Step:
    """A step of any pipeline of the kit; no two have the same name. Raises ``PipelineNotFound``."""
    for step in (step for pipeline in DECLARED.values() for step in pipeline.steps):
        if step.name == name:
            return step
    raise PipelineNotFound(f"no pipeline has a step {name!r}")
