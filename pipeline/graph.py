"""The declared pipeline: steps, what they need and give, parameters, environment, compute. Every runner uses it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.errors import PipelineNotFound


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
    """Fields of the configuration that its result depends on."""
    depends_when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further fields that it depends on while a field is set."""

    def load(self) -> Callable[[StepContext], Document]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        function: Callable[[StepContext], Document] = getattr(importlib.import_module(module), name)
        return function

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
        Step("check_data", "pipeline.steps.check_data:check_data", "DataResult"),
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
        Step("evaluate", "pipeline.steps.evaluate:evaluate", "EvaluateResult", inputs=("train",)),
        Step("register", "pipeline.steps.register:register", "RegisterResult", inputs=("train", "evaluate")),
    ),
    parameters=("model", "data", "data_version", "data_path", "parameters", "build_id", "caller_run_id"),
)
"""Check data, train, evaluate, register."""
