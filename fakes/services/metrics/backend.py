"""Metrics of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.metrics.models import Metrics


class MetricsBackend(Backend):
    """Gives the metrics of a workspace."""

    name = "metrics"
    exported = ("stores",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.stores: dict[str, dict[str, Any]] = {}

    def of(self, workspace: Workspace) -> Metrics:
        """Return the metrics of `workspace`; use them under the state lock."""
        return Metrics(self.stores.setdefault(workspace.key, {}))
