"""The seam for services: a stable address whose revisions come and go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from deploy.images import Image, PackageRequest, Progress


class ServiceState(str, Enum):
    """States of a service; the words are Azure Machine Learning's."""

    TRANSITIONING = "Transitioning"
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    FAILED = "Failed"


@dataclass(frozen=True)
class Keys:
    """Two keys, either valid. They belong to the service and survive deployments."""

    primary: str = field(repr=False)
    secondary: str = field(repr=False)


@dataclass(frozen=True)
class Revision:
    """One deployment of one model version to a service."""

    id: str
    model: str
    """``name:version``."""
    model_digest: str
    image: str | None
    """Image reference; ``None`` for a local process."""
    created: datetime
    traffic: int
    """Percent of requests, 0 to 100."""
    state: ServiceState


@dataclass(frozen=True)
class ServiceInfo:
    """One service as it is now."""

    name: str
    stage: str
    uri: str
    """Where to POST, such as ``http://127.0.0.1:8500/score``."""
    state: ServiceState
    target: str
    """``process``, ``docker``, ``aci`` or ``aks``."""
    version: str | None
    """``name:version`` with the most traffic."""
    error: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeployRequest:
    """What to run, where."""

    service: str
    stage: str
    package: PackageRequest
    image: Image | None = None
    """``None`` for targets that need no image."""
    env: Mapping[str, str] = field(default_factory=dict)
    cpu: float | None = None
    """Cores."""
    memory_gb: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Services(ABC):
    """All services of a project."""

    @abstractmethod
    def deploy(
        self,
        request: DeployRequest,
        *,
        traffic: int = 100,
        timeout: float = 300.0,
        progress: Progress | None = None,
    ) -> ServiceInfo:
        """Create the service or add a revision; it gets `traffic` percent once it is ready *and* smoke-tested.

        Raises
        ------
        deploy.errors.DeployFailed
            With phase, exit code and last log lines; the revision before serves on.
        deploy.errors.DeployConflict
            Another deployment of this service is under way.
        deploy.errors.EngineUnavailable
            Docker or the cloud does not answer.
        """

    @abstractmethod
    def get(self, service: str) -> ServiceInfo:
        """Read one service. Raises ``ServiceNotFound``."""

    @abstractmethod
    def services(self) -> Iterator[ServiceInfo]:
        """All services, by name."""

    @abstractmethod
    def revisions(self, service: str) -> list[Revision]:
        """Revisions that still run, newest first."""

    @abstractmethod
    def set_traffic(self, service: str, percent: Mapping[str, int]) -> None:
        """Share traffic among revisions (by id); must add to 100. Revisions left at 0 are stopped once drained."""

    @abstractmethod
    def keys(self, service: str) -> Keys:
        """Both keys."""

    @abstractmethod
    def regenerate_key(self, service: str, which: str) -> Keys:
        """Make a new ``primary`` or ``secondary`` key."""

    @abstractmethod
    def logs(self, service: str, *, lines: int = 100) -> str:
        """The last log lines of what serves now."""

    def counts(self, service: str, *, reset: bool = False) -> dict[str, dict[str, Any]]:
        """Requests, errors and latencies by revision id, and the seconds since they are counted (or `reset`).

        Empty where the service's own platform watches it (Azure: Application Insights).
        """
        return {}

    @abstractmethod
    def invoke(self, service: str, body: bytes, *, content_type: str = "application/json") -> Answer:
        """POST to the service with its primary key."""

    @abstractmethod
    def ensure(self, service: str, *, progress: Progress | None = None) -> ServiceInfo:
        """Start again what should run but does not (a killed process, a removed container); same address and keys."""

    @abstractmethod
    def stop(self, service: str) -> None:
        """Stop what runs; address, keys and revisions are kept, ``ensure`` brings it back."""

    @abstractmethod
    def delete(self, service: str) -> None:
        """Forget the service, its keys and its revisions."""
