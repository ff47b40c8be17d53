"""The seam for run history: experiments, runs, parameters, metrics, tags, files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from registry.models import Collected


class RunState(str, Enum):
    """States of a run; the words are Azure Machine Learning's."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def final(self) -> bool:
        """Whether a run in this state can still change."""
        return self in (RunState.COMPLETED, RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True)
class RunInfo:
    """What is known of one run."""

    id: str
    experiment: str
    name: str
    state: RunState
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    parent: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each metric."""
    tags: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None


class Run(ABC):
    """A run that is open for writing. A context manager: leaving completes it, an exception fails it."""

    id: str

    @abstractmethod
    def info(self) -> RunInfo:
        """Read the run as it is now."""

    @abstractmethod
    def log_metric(self, name: str, value: float, *, step: int | None = None) -> None:
        """Append a value to a metric."""

    @abstractmethod
    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Merge parameters (JSON scalars)."""

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Merge tags."""

    @abstractmethod
    def upload(self, name: str, path: Path) -> None:
        """Keep a copy of the file at `path` under `name`, a relative POSIX path; once more the same changes nothing.

        Raises
        ------
        registry.errors.Conflict
            The run has another content under this name.
        """

    @abstractmethod
    def child(self, name: str, *, tags: Mapping[str, str] | None = None) -> Run:
        """Start a child run."""

    @abstractmethod
    def complete(self) -> None:
        """End the run well. Ending twice in the same way changes nothing."""

    @abstractmethod
    def fail(self, error: str) -> None:
        """End the run as failed."""

    @abstractmethod
    def cancel(self) -> None:
        """End the run as cancelled."""

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.complete()
        elif isinstance(error, KeyboardInterrupt):
            self.cancel()
        else:
            self.fail(f"{type(error).__name__}: {error}")


class RunHistory(ABC):
    """All runs of a project."""

    @abstractmethod
    def start(
        self,
        experiment: str,
        *,
        name: str = "",
        parent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a run. Raises ``InvalidName``, ``NotFound`` (parent), ``Unavailable``."""

    @abstractmethod
    def open(self, run_id: str) -> Run:
        """Open a run that exists, for writing. Raises ``NotFound``."""

    @abstractmethod
    def get(self, run_id: str) -> RunInfo:
        """Read one run. Raises ``NotFound``, ``Corrupt``."""

    @abstractmethod
    def search(
        self,
        experiment: str | None = None,
        *,
        parent: str | None = None,
        state: RunState | None = None,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunInfo]:
        """Runs, newest first."""

    @abstractmethod
    def metric(self, run_id: str, name: str) -> list[tuple[int | None, float]]:
        """All values of one metric as (step, value), in the order logged."""

    @abstractmethod
    def files(self, run_id: str) -> list[str]:
        """Names of the files kept with a run, sorted."""

    @abstractmethod
    def download(self, run_id: str, name: str, target: Path) -> Path:
        """Copy one file of a run to the path `target`. Raises ``NotFound``."""

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove what crashes left behind; see :meth:`registry.models.ModelRegistry.collect`."""
        return Collected()
