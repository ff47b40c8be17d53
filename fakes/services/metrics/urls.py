"""Routes of metrics."""

from __future__ import annotations

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.metrics.responses")

BASE = "/metric/v2.0{workspace}/runs/{run}"
SDK = "azureml-core 1.61, azureml._restclient.operations.metric_operations"

SERVICE = Service(
    name="metrics",
    title="Metrics of runs",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        Route("POST", f"{BASE}/batch", "Metrics_PostRunMetrics", r.post_batch, Evidence.SDK_ACCEPTS, SDK),
        Route("POST", f"{BASE}/list", "Metrics_List", r.list_metrics, Evidence.SDK_ACCEPTS, SDK),
        Route("POST", f"{BASE}/full", "Metrics_GetFullFidelity", r.get_full, Evidence.SDK_ACCEPTS, SDK),
    ],
)
