"""The exceptions that this room raises."""

from __future__ import annotations


class PipelineError(Exception):
    """A pipeline, or a step of one, is not as it must be.

    Parameters
    ----------
    message : str
        What happened, to what, and why; one line.
    hint : str, optional
        What to do next; one line, a command where there is one.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class PipelineNotFound(PipelineError):
    """There is no such pipeline, published version, run or step."""


class PipelineConflict(PipelineError):
    """The build has published already, or the run has ended."""


class PipelineTimeout(PipelineError):
    """A deadline passed."""


class EngineUnavailable(PipelineError):
    """A compute engine (Docker, a Dask or Ray cluster) is not installed or does not answer."""


class StepFailed(PipelineError):
    """A step failed in another process.

    Attributes
    ----------
    step : str
        Its name.
    exit_code : int
        Of the process: one of the kit's published exit codes where the step's error was foreseen.
    logs : str
        Its last log lines.
    """

    def __init__(self, message: str, *, step: str, exit_code: int, logs: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.exit_code = exit_code
        self.logs = logs
