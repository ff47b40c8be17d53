"""The exceptions that this room raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class DeployError(Exception):
    """Packaging, deploying or reaching a service did not work.

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


class ServiceNotFound(DeployError):
    """There is no such service, revision or image."""


class Invalid(DeployError):
    """What was asked for cannot be (a name, shares of traffic), or what is kept about a service is damaged."""


class DeployConflict(DeployError):
    """Another deployment of the same service is under way."""


class PackageRefused(DeployError):
    """The model cannot be packaged: code, lock, Python minor or platform do not fit, or it does not load."""


class EngineUnavailable(DeployError):
    """Docker (or the cloud) does not answer, or a base image cannot be had."""


class StateUnavailable(DeployError):
    """What is kept about services or images cannot be written: disk full, no permission."""


class DeployFailed(DeployError):
    """A new revision did not become ready; the one before serves on.

    Attributes
    ----------
    phase : str
        ``build``, ``push``, ``start``, ``ready``, ``smoke`` or ``canary``.
    exit_code : int or None
        Of the process or container, when it ended.
    logs : str
        Its last log lines.
    """

    def __init__(
        self, message: str, *, phase: str, exit_code: int | None = None, logs: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.exit_code = exit_code
        self.logs = logs


class SmokeFailed(DeployFailed):
    """The service answered, but not with the golden prediction, or not with the version deployed."""


class DeployTimeout(DeployFailed):
    """A deadline passed."""


class CanaryFailed(DeployFailed):
    """A canary was taken back by the rule; the version before has all traffic again.

    Attributes
    ----------
    report : dict
        What was seen of both versions.
    """

    def __init__(self, message: str, *, phase: str, report: Mapping[str, Any], hint: str | None = None) -> None:
        super().__init__(message, phase=phase, hint=hint)
        self.report = dict(report)
