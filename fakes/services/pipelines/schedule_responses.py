"""Schedules over HTTP."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.routing import Call, empty_response, json_response
from fakes.services.pipelines import schedules
from fakes.services.pipelines.responses import pipelines


def create(call: Call) -> Response:
    """Run a pipeline by time or when data changes."""
    return json_response(schedules.shown(schedules.create(call.state, call.workspace, call.json_object())))


def get(call: Call) -> Response:
    """One schedule."""
    return json_response(schedules.shown(pipelines(call).entities.get(schedules.KIND, call.params["id"])))


def update(call: Call) -> Response:
    """Change it, or switch it off and on."""
    held = schedules.update(call.state, call.workspace, call.params["id"], call.json_object())
    return json_response(schedules.shown(held))


def _listed(call: Call, field: str | None = None) -> Response:
    items = pipelines(call).entities.listed(schedules.KIND, active_only=call.flag("activeOnly", False))
    return json_response(
        [schedules.shown(item) for item in items if field is None or item.get(field) == call.params["id"]]
    )


def list_all(call: Call) -> Response:
    """All schedules."""
    return _listed(call)


def of_pipeline(call: Call) -> Response:
    """Schedules of a pipeline."""
    return _listed(call, "PipelineId")


def of_endpoint(call: Call) -> Response:
    """Schedules of a pipeline endpoint."""
    return _listed(call, "PipelineEndpointId")


def _runs(call: Call) -> list[dict[str, Any]]:
    service = pipelines(call)
    service.entities.get(schedules.KIND, call.params["id"])
    found = reversed(service.entities.table("PipelineRuns").values())
    return [run for run in found if run.get("ScheduleId") == call.params["id"]]


def runs_of(call: Call) -> Response:
    """Runs that a schedule made, newest first."""
    return json_response(_runs(call))


def last_run(call: Call) -> Response:
    """The newest run that a schedule made, if any."""
    found = _runs(call)
    return json_response(found[0]) if found else empty_response(204)
