"""Errors of the scoring host."""

from __future__ import annotations

USAGE = 2
NOT_READY = 3
"""The entry script, its ``init()``, the artifact or the golden prediction failed (Azure's server uses 3 too)."""
PORT_TAKEN = 4


class HostError(Exception):
    """The host cannot start.

    Parameters
    ----------
    message : str
        What happened, to what, and why.
    hint : str
        What to do next.
    """

    exit_code = NOT_READY

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(HostError):
    """A flag or an environment variable has a value that cannot be used."""

    exit_code = USAGE


class PortTaken(HostError):
    """Another program listens on the address."""

    exit_code = PORT_TAKEN


class ScriptError(HostError):
    """The entry script cannot be loaded, or its ``init()`` raised."""


class ArtifactError(HostError):
    """The model folder does not fit this environment, or does not answer as it did when it was packaged."""


class BadInput(Exception):
    """A request that the entry script cannot take; becomes a 4xx answer.

    Parameters
    ----------
    message : str
        For the client.
    status : int
        HTTP status code.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ScoringTimeout(Exception):
    """``run()`` took longer than ``SCORING_TIMEOUT_MS``."""


class ScoringFailed(Exception):
    """``run()`` raised; ``__cause__`` is what it raised."""
