"""``mlops pipeline schedule``: let the published pipeline start by itself."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options

BATCH = click.option("--batch", is_flag=True, help="Of the pipeline that scores tables (mlops batch publish).")


def _pipeline(app: App, batch: bool) -> str:
    return str(app.settings["batch.pipeline" if batch else "pipeline.name"])


@click.group(name="schedule", short_help="Run the published pipeline at times, or when data changes.")
def schedule() -> None:
    """Run the newest published pipeline at times, or when data changes."""


@schedule.command()
@click.argument("name")
@click.option("--every", metavar="UNIT", help="minute, hour, day, week or month.")
@click.option("--interval", type=int, default=1, metavar="N", help="Every N units.")
@click.option("--at", metavar="HH:MM", help="Time of day in UTC, for days and weeks.")
@click.option("--on", "weekdays", multiple=True, metavar="DAY", help="Day of the week, for weeks (again for more).")
@click.option("--on-data", metavar="PATH", help="Folder of the default datastore to watch: mlops-data/NAME.")
@click.option("--poll", type=int, default=5, metavar="MINUTES", help="How often the folder is looked at.")
@BATCH
@common_options
def create(
    app: App,
    name: str,
    every: str | None,
    interval: int,
    at: str | None,
    weekdays: tuple[str, ...],
    on_data: str | None,
    poll: int,
    batch: bool,
) -> int:
    """Create the schedule NAME; one that has this name already is replaced.

    It runs what is the newest publication then. The first run is at the next time that is due.
    """
    from pipeline.schedules import When

    when = When(
        unit=every.lower() if every else None,
        interval=interval,
        at=at,
        weekdays=tuple(day.lower() for day in weekdays),
        path=on_data,
        poll_minutes=poll,
    )
    by_hand = "mlops batch --published --input PATH --output PATH" if batch else "mlops pipeline run --published"
    made = app.backend.pipelines.schedule(
        _pipeline(app, batch), name, when, experiment=app.settings["model.experiment"], command=by_hand
    )
    app.output.emit(made.to_json(), f"{made.name}: {made.pipeline} runs {made.when}")
    return 0


@schedule.command(name="list")
@BATCH
@common_options
def list_(app: App, batch: bool) -> int:
    """List the schedules of the pipeline, each with the last run that it started."""
    found = app.backend.pipelines.schedules(_pipeline(app, batch))
    app.output.table([item.to_json() for item in found], ("name", "pipeline", "when", "last_run"))
    return 0


@schedule.command()
@click.argument("name")
@BATCH
@common_options
def delete(app: App, name: str, batch: bool) -> int:
    """End the schedule NAME. Runs that it has started go on."""
    pipeline = _pipeline(app, batch)
    app.backend.pipelines.unschedule(pipeline, name)
    app.output.emit({"name": name, "pipeline": pipeline, "deleted": True}, f"{name}: ended")
    return 0
