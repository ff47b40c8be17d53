"""Run history: experiments, runs, their events. State and behaviour, no HTTP.

Facts: the operations and documents of the public SDK (``azureml-core`` 1.61, ``azureml._restclient``), and
https://learn.microsoft.com/python/api/azureml-core/azureml.core.run.run for the meaning of each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fakes.core.errors import bad_request, conflict, not_found
from fakes.services.history.odata import FilterError, compile_filter, order

FINAL = frozenset({"Completed", "Failed", "Canceled"})

_EVENT = "Microsoft.MachineLearning.Run."
_STATUS_OF_EVENT = {
    "Start": "Running",
    "Queued": "Queued",
    "Preparing": "Preparing",
    "Finalizing": "Finalizing",
    "CancelRequested": "CancelRequested",
    "Completed": "Completed",
    "Failed": "Failed",
    "Canceled": "Canceled",
}
# Events that are recorded and change no status.
_SILENT_EVENTS = {"Error", "Warning", "Heartbeat", "QueueingInfo", "Definition"}

_EXPERIMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,255}")
# What a client may write of a run document; all else is the service's own.
_WRITABLE = {
    "name",
    "displayName",
    "description",
    "status",
    "startTimeUtc",
    "endTimeUtc",
    "heartbeatEnabled",
    "options",
    "hidden",
    "runType",
    "runTypeV2",
    "scriptName",
    "target",
    "runDefinition",
    "primaryMetricName",
    "createdFrom",
    "cancelUri",
    "diagnosticsUri",
    "queueingInfo",
    "inputDatasets",
    "outputDatasets",
    "parentRunId",
}

Document = dict[str, Any]


class RunHistory:
    """Experiments and runs of one workspace.

    Parameters
    ----------
    store : dict
        Where everything is kept, JSON values only (it is exported and imported as it is).
    now : callable
        Gives the present as ISO 8601 text.
    new_id : callable
        Gives a fresh GUID as text.
    """

    def __init__(self, store: Document, now: Callable[[], str], new_id: Callable[[], str]) -> None:
        self._experiments: dict[str, Document] = store.setdefault("experiments", {})
        self._runs: dict[str, Document] = store.setdefault("runs", {})
        self._now = now
        self._new_id = new_id

    # ---- experiments ----------------------------------------------------------------------------------------------

    def create_experiment(self, name: str, *, exist_ok: bool = False) -> Document:
        """Make an experiment. Raises ``AzureError`` 400 (name) and 409 (there already)."""
        if not _EXPERIMENT_NAME.fullmatch(name):
            raise bad_request(
                f"Experiment name {name!r} is invalid: it must start with a letter or a number and hold only letters, "
                "numbers, underscores and dashes."
            )
        held = self._experiments.get(_fold(name))
        if held is not None and held["archivedTime"] is not None:
            # What is written to an archived one makes a new one of the same name (azureml.core.Experiment.archive).
            self._experiments[_aside(held)] = held
            held = None
        if held is not None:
            if exist_ok:
                return held
            raise conflict(f"Experiment with name {name} already exists.")
        created: Document = {
            "experimentId": self._new_id(),
            "name": name,
            "description": None,
            "createdUtc": self._now(),
            "archivedTime": None,
            "tags": {},
        }
        self._experiments[_fold(name)] = created
        return created

    def experiment(self, name: str) -> Document:
        """Find by name, the active one when one of the same name is archived. Raises ``AzureError`` 404."""
        held = self._experiments.get(_fold(name))
        if held is None:
            raise not_found(f"Experiment with name {name} not found.")
        return held

    def experiment_by_id(self, experiment_id: str) -> Document:
        """Find by id. Raises ``AzureError`` 404."""
        for held in self._experiments.values():
            if held["experimentId"] == experiment_id:
                return held
        raise not_found(f"Experiment with id {experiment_id} not found.")

    def query_experiments(self, query: Mapping[str, Any]) -> list[Document]:
        """Experiments that match ``filter`` and ``viewType`` (ActiveOnly, ArchivedOnly, All), ordered."""
        view = query.get("viewType") or "ActiveOnly"
        if view not in ("ActiveOnly", "ArchivedOnly", "All", "Default"):
            raise bad_request(f"viewType {view!r} is none of ActiveOnly, ArchivedOnly, All, Default.")
        matches = _predicate(query.get("filter"))
        chosen = [
            item
            for item in self._experiments.values()
            if matches(item) and (view == "All" or (item["archivedTime"] is not None) == (view == "ArchivedOnly"))
        ]
        return order(chosen, query.get("orderby") or "CreatedUtc desc")

    def update_experiment(self, experiment_id: str, change: Mapping[str, Any]) -> Document:
        """Merge tags, set the description, archive or reactivate.

        Raises
        ------
        AzureError
            400: An archived experiment cannot come back while another has its name.
        """
        held = self.experiment_by_id(experiment_id)
        if change.get("archive") is False and self._experiments.get(_aside(held)) is held:
            other = self._experiments.get(_fold(held["name"]))
            if other is not None and other["archivedTime"] is None:
                raise bad_request(f"There is another active experiment with the name {held['name']}.")
            if other is not None:
                self._experiments[_aside(other)] = other
            self._experiments[_fold(held["name"])] = self._experiments.pop(_aside(held))
        if change.get("tags"):
            held["tags"].update(change["tags"])
        if "description" in change:
            held["description"] = change["description"]
        if change.get("archive") is not None:
            held["archivedTime"] = self._now() if change["archive"] else None
        return held

    def delete_experiment_tags(self, experiment_id: str, names: Iterable[str]) -> Document:
        """Remove tags; names that are not there are passed over."""
        held = self.experiment_by_id(experiment_id)
        for name in names:
            held["tags"].pop(name, None)
        return held

    def delete_experiment(self, experiment_id: str) -> None:
        """Remove an experiment that has no runs. Raises ``AzureError`` 400 when it has."""
        held = self.experiment_by_id(experiment_id)
        if any(run["experimentId"] == experiment_id for run in self._runs.values()):
            raise bad_request("Only experiments that contain no runs can be deleted.")
        for key in (_fold(held["name"]), _aside(held)):
            if self._experiments.get(key) is held:
                del self._experiments[key]

    # ---- runs -----------------------------------------------------------------------------------------------------

    def run(self, run_id: str, experiment: Document | None = None) -> Document:
        """Find a run, in one experiment when given. Raises ``AzureError`` 404."""
        held = self._runs.get(run_id)
        if held is None or (experiment is not None and held["experimentId"] != experiment["experimentId"]):
            raise not_found(f"Run {run_id} was not found")
        return held

    def knows(self, run_id: str) -> bool:
        """Tell whether there is such a run."""
        return run_id in self._runs

    def put_run(self, experiment: Document, run_id: str, change: Mapping[str, Any]) -> Document:
        """Create the run or change the fields that are given; tags and properties merge.

        Raises
        ------
        AzureError
            400: The id in the body is another one, an id has characters that are not allowed, or the run is of another
            experiment.
        AzureError
            404: The parent does not exist.
        """
        if change.get("runId") not in (None, run_id):
            raise bad_request(f"The run id in the body ({change['runId']}) is not that of the address ({run_id}).")
        held = self._runs.get(run_id)
        if held is None:
            held = self._create_run(experiment, run_id, change)
        elif held["experimentId"] != experiment["experimentId"]:
            raise bad_request(f"Run {run_id} belongs to another experiment than {experiment['name']}.")
        for name in _WRITABLE & change.keys():
            if change[name] is not None and not (name == "parentRunId" and held["parentRunId"]):
                held[name] = change[name]
        for name in ("tags", "properties"):
            for key, value in (change.get(name) or {}).items():
                held[name][key] = value if value is None or isinstance(value, str) else str(value)
        held["lastModifiedUtc"] = self._now()
        return held

    def _create_run(self, experiment: Document, run_id: str, change: Mapping[str, Any]) -> Document:
        if not _RUN_ID.fullmatch(run_id):
            raise bad_request(
                f"Run id {run_id!r} is invalid: 1 to 256 letters, numbers, dashes, underscores and dots, the first a "
                "letter or a number."
            )
        parent = change.get("parentRunId")
        root = self.run(parent)["rootRunId"] if parent else run_id
        held: Document = {
            "runId": run_id,
            "runNumber": len(self._runs) + 1,
            "rootRunId": root,
            "parentRunId": parent,
            "experimentId": experiment["experimentId"],
            "status": "NotStarted",
            "createdUtc": self._now(),
            "startTimeUtc": None,
            "endTimeUtc": None,
            "heartbeatEnabled": False,
            "name": None,
            "displayName": None,
            "description": None,
            "hidden": False,
            "dataContainerId": f"dcid.{run_id}",
            "runType": None,
            "runTypeV2": None,
            "properties": {},
            "tags": {},
            "scriptName": None,
            "target": None,
            "error": None,
            "warnings": [],
            "cancelUri": None,
            "diagnosticsUri": None,
            "inputDatasets": [],
            "outputDatasets": [],
        }
        self._runs[run_id] = held
        return held

    def delete_run_tags(self, run_id: str, experiment: Document, names: Iterable[str]) -> Document:
        """Remove tags; names that are not there are passed over."""
        held = self.run(run_id, experiment)
        for name in names:
            held["tags"].pop(name, None)
        return held

    def children(self, run_id: str) -> list[Document]:
        """Direct children of a run, in the order of their creation."""
        return [item for item in self._runs.values() if item["parentRunId"] == run_id]

    def query_runs(
        self, experiment: Document | None, query: Mapping[str, Any], *, parent: str | None = None
    ) -> list[Document]:
        """Runs of an experiment (or of all), or children of `parent`, filtered and ordered."""
        matches = _predicate(query.get("filter"))
        chosen = [
            item
            for item in self._runs.values()
            if (experiment is None or item["experimentId"] == experiment["experimentId"])
            and (parent is None or item["parentRunId"] == parent)
            and matches(item)
        ]
        # Newest first also among runs that were made within one tick of the clock.
        chosen.sort(key=lambda item: int(item["runNumber"]), reverse=True)
        return order(chosen, query.get("orderby") or "StartTimeUtc desc")

    # ---- events ---------------------------------------------------------------------------------------------------

    def post_event(self, run_id: str, event: Mapping[str, Any], experiment: Document | None = None) -> Document:
        """Let an event change a run. After a final status nothing changes it.

        Raises
        ------
        AzureError
            400: The name of the event is unknown.
        AzureError
            404: There is no such run.
        """
        held = self.run(run_id, experiment)
        name = str(event.get("name") or "")
        kind = name[len(_EVENT) :] if name.startswith(_EVENT) else ""
        data: Mapping[str, Any] = event.get("data") or {}
        if kind in _SILENT_EVENTS:
            self._note(held, kind, data)
            return held
        status = _STATUS_OF_EVENT.get(kind)
        if status is None:
            raise bad_request(f"Unknown run event {name!r}.")
        self.set_status(run_id, status, time=data.get("StartTime") or data.get("EndTime"))
        return held

    def set_status(
        self, run_id: str, status: str, *, error: Mapping[str, Any] | None = None, time: str | None = None
    ) -> bool:
        """Move a run on, unless it has ended; gives whether it moved."""
        held = self.run(run_id)
        if held["status"] in FINAL:
            return False
        when = time or self._now()
        held["status"] = status
        if status == "Running" and held["startTimeUtc"] is None:
            held["startTimeUtc"] = when
        if status in FINAL:
            held["startTimeUtc"] = held["startTimeUtc"] or when
            held["endTimeUtc"] = when
        if error is not None:
            held["error"] = {"error": dict(error)}
        return True

    def _note(self, held: Document, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "Error":
            held["error"] = data.get("ErrorResponse")
        elif kind == "Warning":
            held["warnings"].append({"source": data.get("Source"), "message": data.get("Message")})


def _aside(experiment: Mapping[str, Any]) -> str:
    """The key of an archived experiment whose name another one has: no name holds a slash."""
    return f"{_fold(experiment['name'])}/{experiment['experimentId']}"


def _fold(name: str) -> str:
    return name.lower()


def _predicate(text: str | None) -> Callable[[Mapping[str, Any]], bool]:
    try:
        return compile_filter(text)
    except FilterError as error:
        raise bad_request(f"Invalid filter: {error}") from error
