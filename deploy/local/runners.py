"""How a revision runs: the part in which processes and containers differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from deploy.images import Image, PackageRequest, Progress
from deploy.local.state import RevisionRecord


@dataclass(frozen=True)
class Place:
    """Where a revision is kept."""

    service: str
    folder: Path
    """``.mlops/services/<name>/revisions/<id>``."""
    keys_file: Path


class Runner(ABC):
    """Starts, watches and ends one kind of revision."""

    target: str

    @abstractmethod
    def check(self) -> None:
        """Raise ``EngineUnavailable`` if this target cannot be used now."""

    @abstractmethod
    def prepare(self, place: Place, package: PackageRequest, image: Image | None) -> None:
        """Put what the revision needs into its folder. Raises ``PackageRefused``, ``DeployError``."""

    @abstractmethod
    def start(self, place: Place, record: RevisionRecord, *, timeout: float, progress: Progress) -> int:
        """Start it and wait until it says that it is ready; the loopback port that it listens on.

        Raises
        ------
        deploy.errors.DeployFailed
            Phase ``start`` (it ended) or ``ready`` (deadline, ``DeployTimeout``), with exit code and last log lines.
            What was started may still run: the caller stops it.
        """

    @abstractmethod
    def alive(self, place: Place, record: RevisionRecord) -> bool:
        """Whether it runs."""

    @abstractmethod
    def stop(self, place: Place, record: RevisionRecord, *, grace: float = 10.0) -> None:
        """End it; nothing of it is left running. Nothing happens if it does not run."""

    @abstractmethod
    def logs(self, place: Place, record: RevisionRecord, lines: int) -> str:
        """Its last log lines."""

    def keys_changed(self, place: Place, record: RevisionRecord) -> None:
        """The keys file was written anew."""
