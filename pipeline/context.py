"""What a step is given: the seams, its own run, its inputs and its output folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import PipelineConfig
from pipeline.results import RESULT

if TYPE_CHECKING:
    from registry.data import DataSets
    from registry.models import ModelRegistry
    from registry.runs import Run, RunHistory


@dataclass(frozen=True)
class StepContext:
    """Everything that a step may touch. Which backend is behind the seams, a step cannot tell."""

    config: PipelineConfig
    models: ModelRegistry
    runs: RunHistory
    data: DataSets
    run: Run
    """The step's own run, open for writing."""
    inputs: Mapping[str, Path]
    """Output folders of the steps before, by step name."""
    output: Path
    """The step's output folder; exists and is empty at the start."""
    progress: Callable[[str], None]
    """Takes one line of text for a person."""
    parent: Run | None = None
    """The pipeline's run."""

    def result_of(self, step: str) -> Path:
        """``result.json`` of a step before."""
        return self.inputs[step] / RESULT

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log on the step's run, and on the pipeline's, where people compare runs."""
        for run in filter(None, (self.run, self.parent)):
            for name, value in metrics.items():
                run.log_metric(name, value)

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log on the step's run and the pipeline's."""
        for run in filter(None, (self.run, self.parent)):
            run.log_parameters(parameters)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the step's run and the pipeline's."""
        for run in filter(None, (self.run, self.parent)):
            run.set_tags(tags)
