"""Run history over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from werkzeug import Response

from fakes.core.clock import iso
from fakes.core.errors import AzureError, bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.executor.jobs import Jobs
from fakes.services.history.backend import HistoryBackend
from fakes.services.history.logs import log_files
from fakes.services.history.models import Document, RunHistory

TOKEN_LIFETIME = 30 * 24 * 3600.0
PAGE = 500


def history(call: Call) -> RunHistory:
    """The history of the workspace in the path."""
    return call.state.backend(HistoryBackend).of(call.workspace)


def experiment(call: Call) -> Document:
    """The experiment in the path, by name or by id."""
    if "experiment_id" in call.params:
        return history(call).experiment_by_id(call.params["experiment_id"])
    return history(call).experiment(call.params["experiment"])


def written(call: Call, run_ids: Iterable[str]) -> Document:
    """The experiment in the path that runs are written to: new ones never go to an archived one that is named."""
    found = experiment(call)
    known = history(call).knows
    if found["archivedTime"] is None or "experiment_id" in call.params or all(known(run_id) for run_id in run_ids):
        return found
    return history(call).create_experiment(found["name"])


def page(call: Call, items: Sequence[Document], top: int | None = None, token: str | None = None) -> Response:
    """Answer one page of `items`; the token says where the next one begins."""
    size = top if top is not None else call.number("$top", PAGE, 1, 5000)
    start = _offset(token if token is not None else call.arg("$continuationToken"))
    following = start + size
    return json_response(
        {
            "value": list(items[start:following]),
            "continuationToken": str(following) if following < len(items) else None,
            "nextLink": None,
        }
    )


def _offset(token: str | None) -> int:
    if not token:
        return 0
    if not token.isdigit():
        raise bad_request(f"The continuation token {token!r} was not issued by this service.")
    return int(token)


def _query_page(call: Call, query: dict[str, Any], items: Sequence[Document]) -> Response:
    top = query.get("top")
    if top is not None and (not isinstance(top, int) or top < 1):
        raise bad_request(f"top must be a positive integer, not {top!r}.")
    return page(call, items, top or PAGE, query.get("continuationToken") or "")


# ---- experiments ----------------------------------------------------------------------------------------------------


def get_experiment(call: Call) -> Response:
    """Find by name or id."""
    return json_response(experiment(call))


def create_experiment(call: Call) -> Response:
    """Make one by name."""
    return json_response(history(call).create_experiment(call.params["experiment"]))


def query_experiments(call: Call) -> Response:
    """List with filter, order, view and paging."""
    query = call.json_object()
    return _query_page(call, query, history(call).query_experiments(query))


def update_experiment(call: Call) -> Response:
    """Tags, description, archive, reactivate."""
    return json_response(history(call).update_experiment(call.params["experiment_id"], call.json_object()))


def delete_experiment(call: Call) -> Response:
    """Delete an experiment without runs."""
    history(call).delete_experiment(call.params["experiment_id"])
    return empty_response(200)


def delete_experiment_tags(call: Call) -> Response:
    """Remove tags of an experiment."""
    body = call.json()
    names = body.get("tags") if isinstance(body, dict) else body
    return json_response(history(call).delete_experiment_tags(call.params["experiment_id"], names or []))


# ---- runs -----------------------------------------------------------------------------------------------------------


def get_run(call: Call) -> Response:
    """Find a run in an experiment."""
    call.state.backend(Jobs).polled(call.params["run"])
    return json_response(history(call).run(call.params["run"], experiment(call)))


def get_workspace_run(call: Call) -> Response:
    """Find a run by its id alone."""
    return json_response(history(call).run(call.params["run"]))


def patch_run(call: Call) -> Response:
    """Create a run or change it."""
    run_id = call.params["run"]
    return json_response(history(call).put_run(written(call, [run_id]), run_id, call.json_object()))


def batch_runs(call: Call) -> Response:
    """Create or change several runs; those that fail are answered by id."""
    made: dict[str, Document] = {}
    errors: dict[str, Any] = {}
    changes = call.json_object().get("runs") or []
    target = written(call, [str(change.get("runId")) for change in changes])
    for change in changes:
        run_id = str(change.get("runId"))
        try:
            made[run_id] = history(call).put_run(target, run_id, change)
        except AzureError as error:
            errors[run_id] = {"error": {"code": error.code, "message": error.message, "details": []}}
    return json_response({"runs": made, "errors": errors})


def query_runs(call: Call) -> Response:
    """Runs of an experiment, with filter, order and paging."""
    query = call.json_object()
    return _query_page(call, query, history(call).query_runs(experiment(call), query))


def get_children(call: Call) -> Response:
    """Direct children of a run."""
    run = history(call).run(call.params["run"], experiment(call))
    query = {"filter": call.arg("$filter"), "orderby": ", ".join(call.request.args.getlist("$orderby")) or None}
    return page(call, history(call).query_runs(None, query, parent=run["runId"]))


def runs_of_compute(call: Call) -> Response:
    """Runs that a compute target ran."""
    runs = history(call).query_runs(None, {"filter": call.arg("$filter")})
    return page(call, [run for run in runs if run["target"] == call.params["compute"]])


def delete_run_tags(call: Call) -> Response:
    """Remove tags of a run."""
    return json_response(history(call).delete_run_tags(call.params["run"], experiment(call), call.json() or []))


def get_details(call: Call) -> Response:
    """What a run did: times, error, input data, definition and logs."""
    with call.state.lock:
        run = history(call).run(call.params["run"], experiment(call))
        details = {
            "runId": run["runId"],
            "target": run["target"],
            "status": run["status"],
            "startTimeUtc": run["startTimeUtc"],
            "endTimeUtc": run["endTimeUtc"],
            "services": {},
            "error": run["error"],
            "warnings": run["warnings"],
            "properties": dict(run["properties"]),
            "inputDatasets": run["inputDatasets"],
            "outputDatasets": run["outputDatasets"],
            "runDefinition": run.get("runDefinition"),
            "submittedBy": call.principal.name if call.principal else None,
        }
    details["logFiles"] = log_files(call.state, call.workspace, run["dataContainerId"])
    return json_response(details)


def get_token(call: Call) -> Response:
    """A token for the code of a run."""
    history(call).run(call.params["run"], experiment(call))
    expiry = call.state.clock.now() + timedelta(seconds=TOKEN_LIFETIME)
    token = call.state.tokens.issue(kind="run", lifetime=TOKEN_LIFETIME, runId=call.params["run"])
    return json_response({"token": token, "expiryTimeUtc": iso(expiry)})


# ---- events ---------------------------------------------------------------------------------------------------------


def post_event(call: Call) -> Response:
    """One event of a run."""
    history(call).post_event(call.params["run"], call.json_object(), experiment(call))
    return empty_response(200)


def batch_events(call: Call) -> Response:
    """Several events; those that fail are answered with their error."""
    errors = []
    for event in call.json_object().get("events") or []:
        run_id = str((event.get("data") or {}).get("RunId"))
        try:
            history(call).post_event(run_id, event, experiment(call))
        except AzureError as error:
            errors.append(
                {"key": event, "value": {"error": {"code": error.code, "message": error.message, "details": []}}}
            )
    return json_response({"errors": errors})


def wait_for_metrics(call: Call) -> Response:
    """Metrics are readable as soon as they are written."""
    history(call).run(call.params["run"], experiment(call))
    return json_response({})
