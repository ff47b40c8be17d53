"""Snapshots of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.snapshots.models import Snapshots


class SnapshotsBackend(Backend):
    """Gives the snapshots of a workspace."""

    name = "snapshots"
    exported = ("stores",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.stores: dict[str, dict[str, Any]] = {}

    def of(self, workspace: Workspace) -> Snapshots:
        """Return the snapshots of `workspace`; use them under the state lock."""
        return Snapshots(self.stores.setdefault(workspace.key, {}), self.state.clock.iso)
