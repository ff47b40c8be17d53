"""Schedules: pipelines that run by time or when data changes. State and behaviour, no HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError, bad_request
from fakes.core.state import Backend
from fakes.executor import storage
from fakes.services.blob.models import BlobBackend
from fakes.services.datastores.models import place
from fakes.services.history.odata import instant
from fakes.services.pipelines import recurrence, runs
from fakes.services.pipelines.backend import PipelinesBackend
from fakes.services.pipelines.entities import Document, is_active, status_number

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

BY_TIME, BY_DATA = "0", "1"
KIND = "Schedules"
TICK_SECONDS = 0.5
DEFAULT_POLLING = 5


class Scheduler(Backend):
    """Fires schedules when they are due by the fake's clock; its thread begins with the first schedule."""

    name = "scheduler"

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._started = False

    def loaded(self) -> None:
        """After an import: go on."""
        if any(self._active(workspace) for workspace in self.state.tenancy.workspaces.values()):
            self.start()

    def start(self) -> None:
        """Look for due schedules from now on. Under the state lock."""
        if self._started:
            return
        self._started = True
        background = self.state.background

        def loop() -> None:
            while not background.stopping.wait(TICK_SECONDS):
                self.tick()

        background.run("scheduler", loop)

    def tick(self) -> None:
        """Fire what is due now."""
        for workspace in list(self.state.tenancy.workspaces.values()):
            with self.state.lock:
                for held in self._active(workspace):
                    try:
                        self._look(workspace, held)
                    except AzureError as error:
                        logging.getLogger("fakes").warning("schedule %s: %s", held["Name"], error.message)

    def _active(self, workspace: Workspace) -> list[Document]:
        table = self.state.backend(PipelinesBackend).of(workspace).entities.table(KIND)
        return [held for held in table.values() if is_active(held)]

    def _look(self, workspace: Workspace, held: Document) -> None:
        due = instant(held["NextDue"]) if held.get("NextDue") else None
        now = self.state.clock.now()
        if due is None or due > now:
            return
        if held["ScheduleType"] == BY_TIME:
            plan(held, now)
            self.fire(workspace, held, {})
            return
        info = held["DataStoreTriggerInfo"]
        held["NextDue"] = _iso(now + timedelta(minutes=int(info.get("PollingInterval") or DEFAULT_POLLING)))
        seen = listing(self.state, workspace, info)
        changed = sorted(name for name, etag in seen.items() if held["Seen"].get(name) != etag)
        held["Seen"] = seen
        for name in changed:
            parameter = info.get("DataPathParameterName")
            path = {"DataStoreName": info["DataStoreName"], "RelativePath": name}
            self.fire(workspace, held, {"DataPathAssignments": {parameter: path}} if parameter else {})

    def fire(self, workspace: Workspace, held: Document, extra: Mapping[str, Any]) -> None:
        """Submit the pipeline of a schedule."""
        info = {**(held.get("PipelineSubmissionInfo") or {}), "ScheduleId": held["Id"]}
        info |= {"RunSource": info.get("RunSource") or "Unavailable", "RunType": "Schedule"}
        for name, values in extra.items():
            info[name] = {**(info.get(name) or {}), **values}
        pipeline_id = held.get("PipelineId")
        if not pipeline_id:
            service = self.state.backend(PipelinesBackend).of(workspace)
            pipeline_id = service.endpoint_pipeline(str(held["PipelineEndpointId"]), None)
        runs.submit_published(self.state, workspace, pipeline_id, info, host=workspace.api_host)


def create(state: State, workspace: Workspace, body: Mapping[str, Any]) -> Document:
    """Keep a schedule and begin to watch. Under the state lock. Raises ``AzureError`` 400, 404, 501."""
    service = state.backend(PipelinesBackend).of(workspace)
    if body.get("PipelineId"):
        service.entities.get("Pipelines", body["PipelineId"])
    elif body.get("PipelineEndpointId"):
        service.entities.get("PipelineEndpoints", body["PipelineEndpointId"])
    else:
        raise bad_request("A schedule needs a pipeline or a pipeline endpoint.", "BadRequest")
    if not (body.get("PipelineSubmissionInfo") or {}).get("ExperimentName"):
        raise bad_request("A schedule needs the name of an experiment.", "BadRequest")
    kind = {"Recurrence": BY_TIME, "DataStore": BY_DATA}.get(str(body.get("ScheduleType")), body.get("ScheduleType"))
    held = {**body, "ScheduleType": kind, "ProvisioningStatus": "0"}
    _begin(state, workspace, held)
    made = service.entities.add(KIND, held)
    scheduler = state.backend(Scheduler)
    if kind == BY_TIME and not (held["Recurrence"] or {}).get("StartTime"):
        # Without a start time the first run begins at once.
        scheduler.fire(workspace, made, {})
    scheduler.start()
    return made


def update(state: State, workspace: Workspace, schedule_id: str, body: Mapping[str, Any]) -> Document:
    """Change a schedule, its status included. Under the state lock. Raises ``AzureError`` 400, 404."""
    entities = state.backend(PipelinesBackend).of(workspace).entities
    before = entities.get(KIND, schedule_id)
    fields = ("Name", "Recurrence", "PipelineSubmissionInfo", "DataStoreTriggerInfo")
    change = {name: body[name] for name in fields if name in body}
    change["EntityStatus"] = status_number(body.get("EntityStatus", before["EntityStatus"]))
    held = {**before, **change}
    if any(before.get(name) != held.get(name) for name in ("Recurrence", "DataStoreTriggerInfo", "EntityStatus")):
        _begin(state, workspace, held)
    result = entities.update(KIND, schedule_id, held)
    state.backend(Scheduler).start()
    return result


def _begin(state: State, workspace: Workspace, held: Document) -> None:
    """Check what fires a schedule, and note when to look at it next."""
    now = state.clock.now()
    if held["ScheduleType"] == BY_TIME:
        recurrence.check(held.get("Recurrence") or {})
        held["Began"] = _iso(now)
        plan(held, now)
    elif held["ScheduleType"] == BY_DATA:
        info = held.get("DataStoreTriggerInfo") or {}
        held["Seen"] = listing(state, workspace, info)
        held["NextDue"] = _iso(now + timedelta(minutes=int(info.get("PollingInterval") or DEFAULT_POLLING)))
    else:
        raise bad_request(f"The schedule type {held['ScheduleType']!r} is neither 0 nor 1.", "BadRequest")


def plan(held: Document, now: datetime) -> None:
    """Note when a schedule by time is due next."""
    due = recurrence.next_due(held["Recurrence"], instant(held["Began"]), now)
    held["NextDue"] = _iso(due) if due else None


def listing(state: State, workspace: Workspace, info: Mapping[str, Any]) -> dict[str, str]:
    """Blobs below the watched path with their etags. Raises ``AzureError`` 404."""
    datastore = storage.datastore_named(state, workspace, info.get("DataStoreName"))
    account, container = place(datastore)
    names = storage.names_below(state, datastore, info.get("PathOnDataStore") or "")
    blobs = state.backend(BlobBackend)
    return {name: blobs.get(account, container, name).etag for name in names}


def shown(held: Mapping[str, Any]) -> Document:
    """A schedule as clients see it."""
    return {name: value for name, value in held.items() if name not in ("Seen", "NextDue", "Began")}


def _iso(moment: datetime) -> str:
    return moment.isoformat()
