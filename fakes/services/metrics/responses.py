"""Metrics over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.errors import not_found
from fakes.core.routing import Call, json_response
from fakes.services.history.backend import HistoryBackend
from fakes.services.metrics.backend import MetricsBackend


def post_batch(call: Call) -> Response:
    """Append values of one run; refused metrics come back when ``reportErrors`` asks for them."""
    run = call.state.backend(HistoryBackend).of(call.workspace).run(call.params["run"])
    body = call.json_object()
    errors = call.state.backend(MetricsBackend).of(call.workspace).add(run["runId"], run["dataContainerId"], body)
    return json_response({"errors": errors if body.get("reportErrors") else []})


def list_metrics(call: Call) -> Response:
    """Names, columns and types of the metrics of a run."""
    run = call.state.backend(HistoryBackend).of(call.workspace).run(call.params["run"])
    found = call.state.backend(MetricsBackend).of(call.workspace).definitions(run["runId"])
    return json_response({"value": found, "continuationToken": None, "nextLink": None})


def get_full(call: Call) -> Response:
    """All values of one metric."""
    body = call.json_object()
    name = str(body.get("metricName"))
    run = call.state.backend(HistoryBackend).of(call.workspace).run(call.params["run"])
    metrics = call.state.backend(MetricsBackend).of(call.workspace)
    found = metrics.full(run["runId"], name, start=body.get("startTime"), end=body.get("endTime"))
    if found is None:
        raise not_found(f"Run {run['runId']} has no metric {name}.")
    return json_response(found)
