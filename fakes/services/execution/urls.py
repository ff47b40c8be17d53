"""Routes of the execution service."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.execution.responses")

BASE = "/execution/v1.0{workspace}/experiments/{experiment}"
SDK = "azureml-core 1.61, azureml._execution._commands"
OK = Evidence.SDK_ACCEPTS

SERVICE = Service(
    name="execution",
    title="Script runs",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        Route("POST", f"{BASE}/snapshotrun", "Execution_StartSnapshotRun", r.start_snapshot_run, OK, SDK),
        Route("POST", f"{BASE}/startrun", "Execution_StartRun", r.start_zip_run, OK, SDK),
        Route("POST", f"{BASE}/localrun", "Execution_StartLocalRun", r.start_local_run, OK, SDK),
        Route("POST", f"{BASE}/runId/{{run}}/cancel", "Execution_Cancel", r.cancel_run, OK, SDK),
    ],
)
