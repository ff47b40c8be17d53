"""The pipeline service of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.pipelines.models import FINAL_NODE, FINAL_RUN, Pipelines


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

    def loaded(self) -> None:
        """After an import: runs that were executing ended, and schedules go on."""
        for store in self.stores.values():
            pipelines = Pipelines(store, self.state.clock.iso, self.state.ids.guid)
            for run_id, nodes in pipelines.entities.table("RunNodes").items():
                if pipelines.run_status(run_id) in FINAL_RUN:
                    continue
                for node_id, node in nodes.items():
                    if node["status"] not in FINAL_NODE:
                        pipelines.set_node(run_id, node_id, "Canceled")
                if pipelines.entities.get("PipelineRuns", run_id)["IsSubmitted"]:
                    pipelines.set_run_status(run_id, "Canceled")
        from fakes.services.pipelines.schedules import Scheduler

        self.state.backend(Scheduler).loaded()
