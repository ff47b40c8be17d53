"""What is remembered of a web service."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import Any

from fakes.core.records import record
from fakes.services.webservices.words import ENDPOINT

TRANSITIONING, HEALTHY, UNHEALTHY, FAILED = "Transitioning", "Healthy", "Unhealthy", "Failed"
Document = dict[str, Any]


@record
class Deployment:
    """One image of one request; `request` is the ``environmentImageRequest``."""

    id: str
    request: Document
    image: str
    models: list[str]


@record
class Unit:
    """What runs: the service itself on ACI and AKS, one version of it on an AKS endpoint.

    `wanted` is the deployment that was asked for last, `serving` the one that answers now.
    """

    name: str
    compute_type: str
    settings: Document
    created: datetime
    updated: datetime
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    state: str = TRANSITIONING
    error: Document | None = None
    wanted: Deployment | None = None
    serving: Deployment | None = None
    traffic: float = 0.0
    is_default: bool = False
    version_type: str | None = None


@record
class Webservice:
    """A service; its host name is where it is asked."""

    id: str
    name: str
    compute_type: str
    workspace: str
    created: datetime
    updated: datetime
    created_by: Document
    primary_key: str
    secondary_key: str
    token_key: bytes
    hostname: str
    scheme: str = "http"
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    own_settings: Document = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    operation: str | None = None

    @property
    def is_endpoint(self) -> bool:
        """Whether it holds versions."""
        return self.compute_type == ENDPOINT

    @property
    def settings(self) -> Document:
        """Settings of the service as a whole."""
        return self.own_settings if self.is_endpoint else self.unit.settings

    @property
    def unit(self) -> Unit:
        """The one unit of a service that has no versions."""
        return next(iter(self.units.values()))

    @property
    def state(self) -> str:
        """State of the service, the worst of its units'."""
        states = [unit.state for unit in self.units.values()]
        for worst in (TRANSITIONING, FAILED, UNHEALTHY):
            if worst in states:
                return worst
        return HEALTHY

    @property
    def error(self) -> Document | None:
        """The first error of its units."""
        return next((unit.error for unit in self.units.values() if unit.error), None)

    def default_unit(self) -> Unit | None:
        """Return the unit that gets what no share of traffic claims."""
        units = list(self.units.values())
        return next((u for u in units if u.is_default), units[0] if units else None)
