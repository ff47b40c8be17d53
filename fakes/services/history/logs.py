"""Which artifacts of a run are its logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.executor.storage import artifact_addresses

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

# The SDK looks for what lies below user_logs and system_logs by itself.
PREFIXES = ("azureml-logs/", "logs/azureml/")


def log_files(state: State, workspace: Workspace, container: str) -> dict[str, str]:
    """Name and readable address of each log of a run, for ``logFiles`` of its details."""
    found: dict[str, str] = {}
    for prefix in PREFIXES:
        found.update(artifact_addresses(state, workspace, container, prefix))
    return found
