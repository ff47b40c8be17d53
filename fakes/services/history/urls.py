"""Routes of run history."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from werkzeug import Response

from fakes.core import hosts
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.routing import Call, Route, Service

r = Handlers("fakes.services.history.responses")

BASE = "/history/v1.0{workspace}"
SDK = "azureml-core 1.61, azureml._restclient.operations"
BY_NAME = f"{BASE}/experiments/{{experiment}}"
BY_ID = f"{BASE}/experimentids/{{experiment_id}}"

Handler = Callable[[Call], Response]


def _route(
    method: str,
    path: str,
    operation: str,
    handler: Handler,
    evidence: Evidence = Evidence.SDK_ACCEPTS,
    *,
    locked: bool = True,
) -> Route:
    return Route(method, path, operation, handler, evidence, SDK, locked=locked)


def _both(method: str, path: str, operation: str, handler: Handler, *, locked: bool = True) -> Iterator[Route]:
    """The SDK addresses an experiment by name or by id, as it happens to know it."""
    yield _route(method, BY_NAME + path, operation, handler, locked=locked)
    yield _route(method, BY_ID + path, f"{operation}ByExperimentId", handler, locked=locked)


SERVICE = Service(
    name="history",
    title="Run history",
    family=hosts.API,
    style=Style.HISTORY,
    routes=[
        _route("GET", BY_NAME, "Experiments_Get", r.get_experiment),
        _route("POST", BY_NAME, "Experiments_Create", r.create_experiment),
        _route("GET", BY_ID, "Experiments_GetById", r.get_experiment),
        _route("PATCH", BY_ID, "Experiments_Update", r.update_experiment),
        _route("DELETE", BY_ID, "Experiments_Delete", r.delete_experiment),
        _route("POST", f"{BY_ID}/tags:delete", "Experiments_DeleteTags", r.delete_experiment_tags),
        _route("POST", f"{BASE}/experiments:query", "Experiments_GetByQuery", r.query_experiments),
        _route("GET", f"{BASE}/runs/{{run}}", "Runs_GetWorkspaceRun", r.get_workspace_run),
        _route("GET", f"{BASE}/computes/{{compute}}/runs", "Runs_ListByCompute", r.runs_of_compute, Evidence.ASSUMED),
        *_both("GET", "/runs/{run}", "Runs_Get", r.get_run),
        *_both("PATCH", "/runs/{run}", "Runs_Patch", r.patch_run),
        *_both("POST", "/runs:query", "Runs_GetByQuery", r.query_runs),
        *_both("PATCH", "/batch/runs", "Runs_BatchAddOrModify", r.batch_runs),
        *_both("GET", "/runs/{run}/children", "Runs_GetChild", r.get_children),
        *_both("DELETE", "/runs/{run}/tags", "Runs_DeleteTags", r.delete_run_tags),
        *_both("GET", "/runs/{run}/details", "Runs_GetDetails", r.get_details, locked=False),
        *_both("GET", "/runs/{run}/token", "Runs_GetToken", r.get_token),
        *_both("POST", "/runs/{run}/events", "Events_Post", r.post_event),
        *_both("POST", "/batch/events", "Events_BatchPost", r.batch_events),
        *_both("GET", "/runs/{run}/metricsingest/wait", "RunMetrics_WaitOnIngest", r.wait_for_metrics),
    ],
)
