"""Which artifacts of a run are its logs."""

from __future__ import annotations

from fakes.core.state import State
from fakes.core.tenancy import Workspace


def log_files(state: State, workspace: Workspace, container: str) -> dict[str, str]:
    """Name and readable address of each log of a run, for ``logFiles`` of its details."""
    return {}
