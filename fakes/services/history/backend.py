"""Run history of every workspace of a state."""

from __future__ import annotations

from typing import Any

from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.history.models import RunHistory

# Runs that the fake itself executes.
EXECUTED = frozenset({"azureml.scriptrun", "azureml.PipelineRun", "azureml.StepRun"})


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

    def forget(self, workspace: Workspace) -> None:
        """End the runs that are executing, too."""
        from fakes.executor.jobs import Jobs

        jobs = self.state.backend(Jobs)
        for run_id in self.stores.get(workspace.key, {}).get("runs", {}):
            jobs.drop(run_id)
        super().forget(workspace)

    def loaded(self) -> None:
        """After an import: what was executing cannot go on here, and ended."""
        for store in self.stores.values():
            history = RunHistory(store, self.state.clock.iso, self.state.ids.guid)
            for run in list(store.get("runs", {}).values()):
                if run["runType"] in EXECUTED and run["target"] != "local":
                    history.set_status(run["runId"], "Canceled")
