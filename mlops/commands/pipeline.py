"""``mlops pipeline``: run, publish, follow and cancel the training pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.app import App
from mlops.cli import SECONDS, common_options
from mlops.scheduling import schedule

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig
    from pipeline.graph import Pipeline
    from registry.models import ModelVersion
    from registry.runs import RunInfo


@click.group(name="pipeline", short_help="Publish and run the training pipeline.")
def cli() -> None:
    """Publish and run the training pipeline; follow and cancel any run."""


cli.add_command(schedule)


@cli.command()
@click.option("--published", is_flag=True, help="Run what was published, with the code and settings of then.")
@click.option("--build-id", metavar="ID", help="Which build published it (default: the newest); else this run's build.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A pipeline parameter.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag of the run.")
@click.option(
    "--resume", metavar="ID", help="Go on after the completed steps of a run, with its settings (-p changes them)."
)
@click.option("--allow-shift", is_flag=True, help="Train although the data's distribution has shifted.")
@click.option("--search", is_flag=True, help="Search the parameters first.")
@click.option("--no-wait", is_flag=True, help="Print the run's id and return.")
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="How long to wait (the run goes on).")
@common_options
def run(
    app: App,
    published: bool,
    build_id: str | None,
    parameters: tuple[str, ...],
    tags: tuple[str, ...],
    resume: str | None,
    allow_shift: bool,
    search: bool,
    no_wait: bool,
    timeout: float | None,
) -> int:
    """Run the training pipeline: check data, train, evaluate, register.

    Exits 0 whether the candidate was registered or production was kept: `decision` says which.
    """

    from mlops.configure import assignments, pipeline_config, training
    from mlops.watching import follow
    from pipeline.config import TEXTS

    runner = app.backend.pipelines
    what: Any = training(app)
    config = None
    given = dict(assignments(parameters, "-p", texts=TEXTS))
    if published:
        what = runner.find(app.settings["pipeline.name"], build_id)
        own = app.settings["build.id"]
        if own and own != what.build_id:  # retraining: what it registers is found by the build that runs it
            given.setdefault("build_id", own)
    elif resume is None:
        config = pipeline_config(app, build_id=build_id, allow_shift=allow_shift or None, search=search or None)
    options: dict[str, Any] = {
        "parameters": given,
        "tags": {name: str(value) for name, value in assignments(tags, "--tag").items()},
        "resume": resume,
    }
    if no_wait:
        run_id = runner.submit(what, config, **options)
        app.output.emit({"run_id": run_id}, run_id)
        return 0
    _emit(app, follow(app, what, config, training(app), timeout=timeout, **options))
    return 0


@cli.command()
@click.option("--build-id", metavar="ID", help="The build that publishes (default: the setting build.id).")
@common_options
def publish(app: App, build_id: str | None) -> int:
    """Freeze the pipeline with its code and settings under a build id."""
    from mlops.configure import pipeline_config, training

    return publish_for(app, build_id, training(app), pipeline_config)


def publish_for(app: App, build_id: str | None, pipeline: Pipeline, config_for: Callable[..., PipelineConfig]) -> int:
    """Publish a pipeline under a build id (default: the setting ``build.id``) and say where it is."""
    from mlops.app import UsageMistake

    build = build_id or app.settings["build.id"]
    if not build:
        raise UsageMistake("which build publishes?", hint="--build-id ID, or MLOPS_BUILD_ID")
    item = app.backend.pipelines.publish(pipeline, config_for(app, build_id=build), build_id=build)
    app.output.emit(shown(item), f"{item.id}\n{item.endpoint}")
    return 0


@cli.command(name="list")
@common_options
def list_(app: App) -> int:
    """List published pipelines, newest first."""
    rows = [shown(item) for item in app.backend.pipelines.published()]
    app.output.table(rows, ("id", "name", "build_id", "created"))
    return 0


@cli.command()
@click.argument("run_id")
@common_options
def status(app: App, run_id: str) -> int:
    """Show a run and its steps."""
    _emit(app, app.backend.pipelines.status(run_id))
    return 0


@cli.command()
@click.argument("run_id")
@click.option("--step", metavar="NAME", help="Only this step's.")
@common_options
def logs(app: App, run_id: str, step: str | None) -> int:
    """Print what the steps of a run wrote."""
    text = app.backend.pipelines.logs(run_id, step)
    app.output.emit({"run_id": run_id, "logs": text}, text.rstrip("\n"))
    return 0


@cli.command()
@click.argument("run_id")
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="How long to wait.")
@common_options
def wait(app: App, run_id: str, timeout: float | None) -> int:
    """Wait until a run ends; exits 0 when it completed, 5 when it failed, 130 when it was cancelled."""
    from mlops.exit_codes import ExitCode
    from registry.runs import RunState

    found = app.backend.pipelines.wait(run_id, timeout=timeout, progress=app.output.say)
    _emit(app, found)
    ends = {RunState.FAILED: ExitCode.INVALID, RunState.CANCELED: ExitCode.INTERRUPTED}
    return ends.get(found.state, ExitCode.OK)


@cli.command()
@click.argument("run_id")
@common_options
def cancel(app: App, run_id: str) -> int:
    """Cancel a run."""
    _emit(app, app.backend.pipelines.cancel(run_id))
    return 0


@cli.command()
@click.option("--build-id", metavar="ID", help="The build (default: the setting build.id).")
@click.option("--run", "run_id", metavar="ID", help="A run instead, such as one that a schedule started.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Write the document there.")
@click.option("--ci", is_flag=True, help="Tell the CI: the outputs registered and model, the tag model-registered.")
@common_options
def model(app: App, build_id: str | None, run_id: str | None, file: Path | None, ci: bool) -> int:
    """Say which model version a build (or a run) registered, if any; what a release job asks.

    Exits 0 either way: `model` in the document is null when production was kept, and `reason` says why.
    """
    import json

    from mlops.app import UsageMistake

    if build_id and run_id:
        raise UsageMistake("give --build-id or --run, not both")
    build = build_id or app.settings["build.id"]
    if not build and not run_id:
        raise UsageMistake("which build?", hint="--build-id ID, or MLOPS_BUILD_ID; or --run ID")
    document = _model_of_run(app, run_id) if run_id else _model_of(app, build)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if ci:
        from mlops.ci_outputs import tell

        registered = document["model"] is not None
        outputs = {"registered": str(registered).lower(), "model": document["model"] or ""}
        tell(outputs, ["model-registered"] if registered else [])
    app.output.emit(document, document["model"] or f"none: {document['reason']}")
    return 0


@cli.command(hidden=True)
@click.argument("run_id")
@common_options
def drive(app: App, run_id: str) -> int:
    """Drive a submitted run to its end (started by the local runner)."""
    from mlops.exit_codes import exit_code_of
    from pipeline.local.runner import LocalRunner

    runner = app.backend.pipelines
    if not isinstance(runner, LocalRunner):
        raise TypeError("only local runs are driven from here")
    try:
        runner.drive(run_id, progress=app.output.say)
    except Exception as error:
        app.output.say(f"{type(error).__name__}: {error}")
        return exit_code_of(error)
    return 0


def _model_of(app: App, build: str) -> dict[str, Any]:
    found = next(app.backend.registry.versions(app.settings["model.name"], tags={"build_id": build}, limit=1), None)
    reason = "no run of this build has ended"
    for item in app.backend.runs.search(app.settings["model.experiment"], tags={"build_id": build}, limit=1):
        reason = _why_none(item)
    return _registered(app, found, reason, build_id=build)


def _model_of_run(app: App, run_id: str) -> dict[str, Any]:
    run = app.backend.runs.get(run_id)
    found = next(
        app.backend.registry.versions(app.settings["model.name"], tags={"pipeline_run": run_id}, limit=1), None
    )
    return _registered(app, found, _why_none(run), build_id=run.tags.get("build_id"))


def _why_none(run: RunInfo) -> str:
    return run.tags.get("reason") or f"run {run.id} is {run.state.value}" + (f": {run.error}" if run.error else "")


def _registered(app: App, version: ModelVersion | None, reason: str, *, build_id: str | None) -> dict[str, Any]:
    return {
        "model": version.reference if version else None,
        "name": app.settings["model.name"],
        "version": str(version.version) if version else None,
        "digest": version.digest if version else None,
        "build_id": build_id,
        "run_id": version.lineage.run_id if version else None,
        "reason": "registered" if version else reason,
    }


def shown(item: Any) -> dict[str, Any]:
    """A published pipeline as a JSON document."""
    return {
        "id": item.id,
        "name": item.name,
        "build_id": item.build_id,
        "created": item.created.isoformat().replace("+00:00", "Z"),
        "endpoint": item.endpoint,
    }


def _emit(app: App, found: Any) -> None:
    from pipeline.errors import PipelineNotFound

    document = found.to_json()
    document |= {"decision": None, "reason": None, "model": None}
    for step, fields in (("evaluate", ("decision", "reason")), ("register", ("model",))):
        try:
            result = app.backend.pipelines.document(found.run_id, step)
        except PipelineNotFound:
            continue
        document |= {name: result[name] for name in fields}
    lines = [f"run {found.run_id}: {found.state.value}" + (f": {found.error}" if found.error else "")]
    for step in found.steps:
        took = f"{(step.ended - step.started).total_seconds():.1f} s" if step.started and step.ended else ""
        note = f"reused: {step.reused}" if step.reused else step.error or ""
        lines.append(f"  {step.name:<12}{step.state.value:<12}{took:<9}{note}".rstrip())
    if document["decision"]:
        lines.append(f"{document['decision']}: {document['reason']}")
    if document["model"]:
        lines.append(f"model {document['model']}")
    app.output.emit(document, "\n".join(lines))
