"""Run one step in this process: the same few lines under every runner."""

from __future__ import annotations

from model.errors import ModelError, project_error
from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.graph import Step
from pipeline.results import RESULT


def execute(step: Step, context: StepContext) -> Document:
    """Call the step's function, write ``result.json``, and keep a copy with its run. Errors are the function's own.

    A mistake in a file of the project's own is ``ProjectFileFailed``.
    """
    try:
        result = step.load()(context)
    except ModelError:
        raise
    except Exception as error:
        if (theirs := project_error(error)) is not None:
            raise theirs from error
        raise
    path = context.output / RESULT
    result.write(path)
    context.run.upload(RESULT, path)
    return result
