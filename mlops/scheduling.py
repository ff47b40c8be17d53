"""``mlops pipeline schedule``: let the published pipeline start by itself."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


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
    settings = app.settings
    made = app.backend.pipelines.schedule(
        settings["pipeline.name"], name, when, experiment=settings["model.experiment"]
    )
    app.output.emit(made.to_json(), f"{made.name}: {made.pipeline} runs {made.when}")
    return 0


@schedule.command(name="list")
@common_options
def list_(app: App) -> int:
    """List the schedules of the pipeline."""
    found = app.backend.pipelines.schedules(app.settings["pipeline.name"])
    app.output.table([item.to_json() for item in found], ("name", "pipeline", "when"))
    return 0


@schedule.command()
@click.argument("name")
@common_options
def delete(app: App, name: str) -> int:
    """End the schedule NAME. Runs that it has started go on."""
    pipeline = app.settings["pipeline.name"]
    app.backend.pipelines.unschedule(pipeline, name)
    app.output.emit({"name": name, "pipeline": pipeline, "deleted": True}, f"{name}: ended")
    return 0
