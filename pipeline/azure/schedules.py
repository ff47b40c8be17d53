"""Schedules of a workspace: they run the default version of the pipeline's endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from pipeline.azure import endpoints
from pipeline.errors import PipelineNotFound
from pipeline.schedules import Schedule, When
from registry.azure.workspace import AzureWorkspace, translated

PROVISIONING_SECONDS = 600


class AzureSchedules:
    """The schedules of a workspace.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    """

    def __init__(self, workspace: AzureWorkspace) -> None:
        self._workspace = workspace

    def create(self, pipeline: str, name: str, when: When, experiment: str) -> Schedule:
        """Create a schedule; then older ones of the same name end. Raises ``PipelineNotFound``."""
        from azureml.pipeline.core.schedule import Schedule as SdkSchedule

        endpoint = endpoints.find(self._workspace, pipeline)
        before = list(self._active(pipeline, name))
        with translated(f"schedule {name}"):
            made = SdkSchedule.create_for_pipeline_endpoint(
                self._workspace.sdk,
                name=name,
                pipeline_endpoint_id=endpoint.id,
                experiment_name=experiment,
                description=str(when),
                wait_for_provisioning=True,
                wait_timeout=PROVISIONING_SECONDS,
                **self._trigger(when),
            )
            for old in before:
                old.disable()
        return _schedule(made, pipeline)

    def search(self, pipeline: str) -> Iterator[Schedule]:
        """The active schedules of a pipeline, by name."""
        for item in sorted(self._active(pipeline, None), key=lambda item: str(item.name)):
            with translated(f"the last run of schedule {item.name}"):
                last = item.get_last_pipeline_run()
            yield _schedule(item, pipeline, str(last.id) if last else None)

    def delete(self, pipeline: str, name: str) -> None:
        """End a schedule; Azure keeps it, disabled. Raises ``PipelineNotFound``."""
        found = list(self._active(pipeline, name))
        if not found:
            raise PipelineNotFound(f"{pipeline} has no schedule {name!r}", hint="mlops pipeline schedule list")
        with translated(f"schedule {name}"):
            for item in found:
                item.disable()

    def _active(self, pipeline: str, name: str | None) -> Iterator[Any]:
        from azureml.pipeline.core.schedule import Schedule as SdkSchedule

        endpoint = endpoints.find(self._workspace, pipeline)
        with translated(f"the schedules of {pipeline}"):
            found = SdkSchedule.list(self._workspace.sdk, pipeline_endpoint_id=endpoint.id)
        # Listed by endpoint, the SDK forgets its active_only.
        yield from (item for item in found if item.status == "Active" and name in (None, item.name))

    def _trigger(self, when: When) -> dict[str, Any]:
        from azureml.pipeline.core.schedule import ScheduleRecurrence, TimeZone

        if when.path is not None:
            return {
                "datastore": self._workspace.datastore,
                "path_on_datastore": when.path,
                "polling_interval": when.poll_minutes,
            }
        recurrence = ScheduleRecurrence(
            frequency=str(when.unit).capitalize(),
            interval=when.interval,
            # Without a start the first run begins at once; with one that has passed, at the next time that is due.
            start_time=datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0),
            time_zone=TimeZone.UTC,
            week_days=[day.capitalize() for day in when.weekdays] or None,
            time_of_day=when.at,
        )
        return {"recurrence": recurrence}


def _schedule(item: Any, pipeline: str, last: str | None = None) -> Schedule:
    return Schedule(str(item.id), str(item.name), pipeline, str(item.description or ""), last)
