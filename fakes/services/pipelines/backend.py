"""The pipeline service of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.pipelines.models import Pipelines


class PipelinesBackend(Backend):
    """Gives the pipeline service of a workspace."""

    name = "pipelines"
    exported = ("stores",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.stores: dict[str, dict[str, Any]] = {}

    def of(self, workspace: Workspace) -> Pipelines:
        """Return the pipelines of `workspace`; use them under the state lock."""
        store = self.stores.setdefault(workspace.key, {})
        return Pipelines(store, self.state.clock.iso, self.state.ids.guid)
