"""Run one step in this process: the same few lines under every runner."""

from __future__ import annotations

from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.graph import Step
from pipeline.results import RESULT


def execute(step: Step, context: StepContext) -> Document:
    """Call the step's function, write ``result.json``, and keep a copy with its run. Errors are the function's own."""
    result = step.load()(context)
    path = context.output / RESULT
    result.write(path)
    context.run.upload(RESULT, path)
    return result
