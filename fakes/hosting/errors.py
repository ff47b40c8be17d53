"""What can go wrong while hosting an entry script."""

from __future__ import annotations


class HostError(Exception):
    """The host of an entry script did not start, or does not answer.

    Parameters
    ----------
    message : str
        What happened and why; one line.
    hint : str, optional
        What to do next.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class HostCrashed(HostError):
    """The process ended before it was ready.

    Attributes
    ----------
    exit_code : int
        Of the process; negative for a signal.
    log : str
        All that it wrote.
    """

    def __init__(self, message: str, *, exit_code: int, log: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log


class HostNotReady(HostError):
    """The process runs, and was not ready before the deadline."""


class HostMissing(HostError):
    """There is no program to host entry scripts with."""
