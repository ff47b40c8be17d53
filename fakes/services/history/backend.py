"""Run history of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.history.models import RunHistory


class HistoryBackend(Backend):
    """Gives the run history of a workspace."""

    name = "history"
    exported = ("stores",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.stores: dict[str, dict[str, Any]] = {}

    def of(self, workspace: Workspace) -> RunHistory:
        """Return the history of `workspace`; use it under the state lock."""
        store = self.stores.setdefault(workspace.key, {})
        return RunHistory(store, self.state.clock.iso, self.state.ids.guid)
