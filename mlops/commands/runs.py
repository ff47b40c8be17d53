"""``mlops runs``: list, show and compare runs, and their report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.app import App
from mlops.cli import common_options

if TYPE_CHECKING:
    from registry.runs import RunInfo


@click.group(name="runs", short_help="List, show and compare runs.")
def cli() -> None:
    """Runs of the pipelines and their steps: parameters, metrics, tags, files, logs."""


@cli.command(name="list")
@click.option("--experiment", help="Another experiment (default: the project's).")
@click.option("--steps", is_flag=True, help="The runs of steps too.")
@click.option("--state", type=click.Choice(["Running", "Completed", "Failed", "Canceled"]), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1), default=20, help="At most so many (20).")
@common_options
def list_(app: App, experiment: str | None, steps: bool, state: str | None, limit: int) -> int:
    """List runs, newest first."""
    from itertools import islice

    from registry.runs import RunState

    found = app.backend.runs.search(
        experiment or app.settings["model.experiment"], state=RunState(state) if state else None
    )
    wanted = islice((run for run in found if steps or run.parent is None), limit)
    metric = app.settings["gate.metric"]
    rows = [{**document(run), metric: run.metrics.get(metric), "decision": run.tags.get("decision")} for run in wanted]
    app.output.table(rows, ("run_id", "name", "state", "created", metric, "decision"))
    return 0


@cli.command()
@click.argument("run_id")
@common_options
def show(app: App, run_id: str) -> int:
    """Show a run: state, parameters, metrics, tags, files, steps."""
    runs = app.backend.runs
    run = runs.get(run_id)
    children = [document(child) for child in runs.search(run.experiment, parent=run_id)]
    result = {**document(run), "files": runs.files(run_id), "steps": children[::-1]}
    lines = [f"{key:<12}{result[key]}" for key in ("run_id", "experiment", "name", "state", "created", "ended")]
    lines += [f"error       {result['error']}"] if result["error"] else []
    for key in ("parameters", "metrics", "tags"):
        lines += [f"{key}:", *(f"  {name:<22}{value}" for name, value in sorted(result[key].items()))] * bool(
            result[key]
        )
    lines += ["files:", *(f"  {name}" for name in result["files"])] * bool(result["files"])
    shown = (f"  {child['name']:<14}{child['state']:<12}{child['run_id']}" for child in result["steps"])
    lines += ["steps:", *shown] * bool(children)
    app.output.emit(result, "\n".join(lines))
    return 0


@cli.command()
@click.argument("run_ids", nargs=-1)
@click.option("--limit", type=click.IntRange(2), default=20, help="Without run ids: so many of the newest (20).")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a report with charts there.")
@common_options
def compare(app: App, run_ids: tuple[str, ...], limit: int, html: Path | None) -> int:
    """Compare metrics and parameters of runs, oldest first."""
    from itertools import islice

    from registry.runs import RunState

    runs = app.backend.runs
    if run_ids:
        found = [runs.get(run_id) for run_id in run_ids]
    else:
        search = runs.search(app.settings["model.experiment"], state=RunState.COMPLETED)
        scoring = app.settings["batch.pipeline"]
        trained = (run for run in search if run.parent is None and run.tags.get("pipeline") != scoring)
        found = list(islice(trained, limit))
    rows = [document(run) for run in sorted(found, key=lambda run: run.created)]
    if html is not None:
        from pipeline.report import comparison

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(comparison(rows), encoding="utf-8")
        app.output.say(f"report: {html}")
    names = sorted({name for row in rows for name in row["metrics"]})
    if app.output.format == "json":
        app.output.emit(rows)
    else:
        app.output.table([{**row, **row["metrics"]} for row in rows], ("run_id", "state", *names))
    return 0


@cli.command()
@click.argument("run_id")
@common_options
def logs(app: App, run_id: str) -> int:
    """Print what a run's steps (or one step) wrote."""
    import tempfile

    from registry.errors import NotFound

    runs = app.backend.runs
    run = runs.get(run_id)
    parts = [run, *reversed(list(runs.search(run.experiment, parent=run_id)))]
    text = ""
    for part in parts:
        if LOG not in runs.files(part.id):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            written = runs.download(part.id, LOG, Path(scratch) / LOG).read_text(encoding="utf-8", errors="replace")
        text += written if len(parts) == 1 else "".join(f"{part.name}: {line}\n" for line in written.splitlines())
    if not text:
        raise NotFound(f"run {run_id} has no logs (yet)", hint=f"mlops pipeline logs {run_id} while it runs")
    app.output.emit({"run_id": run_id, "logs": text}, text.rstrip("\n"))
    return 0


@cli.command()
@click.argument("what")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@common_options
def report(app: App, what: str, html: Path) -> int:
    """Write a run's report: predicted against true values and residuals, on the held-out rows.

    WHAT is the id of a run, or a model version (NAME:VERSION, NAME@ALIAS): then of the run that trained it.
    """
    from registry.errors import NotFound
    from registry.models import resolve

    runs = app.backend.runs
    run_id: str | None = what
    if ":" in what or "@" in what:
        version = resolve(app.backend.registry, what)
        run_id = version.lineage.run_id
        if run_id is None:
            raise NotFound(f"{version.reference} does not say which run trained it")
    run = runs.get(str(run_id))
    for part in (run, *runs.search(run.experiment, parent=run.id)):
        # A step that was reused has its files with the run that did the work.
        holder = part.tags.get("reused_from", part.id)
        if REPORT in runs.files(holder):
            html.parent.mkdir(parents=True, exist_ok=True)
            html.unlink(missing_ok=True)
            runs.download(holder, REPORT, html)
            app.output.emit({"run_id": holder, "report": str(html)}, str(html))
            return 0
    raise NotFound(f"run {run.id} has no report: it has not trained a model", hint="mlops runs list")


LOG = "log.txt"
REPORT = "report.html"


def document(run: RunInfo) -> dict[str, Any]:
    """A run as a JSON document."""

    def time(value: Any) -> str | None:
        return value.isoformat().replace("+00:00", "Z") if value else None

    return {
        "run_id": run.id,
        "experiment": run.experiment,
        "name": run.name,
        "state": run.state.value,
        "created": time(run.created),
        "started": time(run.started),
        "ended": time(run.ended),
        "parent": run.parent,
        "parameters": dict(run.parameters),
        "metrics": dict(run.metrics),
        "tags": dict(run.tags),
        "error": run.error,
    }
