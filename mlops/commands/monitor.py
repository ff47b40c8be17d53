"""``mlops monitor``: compare live inputs with the training data, and show how the service does."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="monitor", short_help="Compare live inputs with the training data.")
@click.option(
    "--input",
    "inputs",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Live inputs: CSV, Parquet, or scoring requests as .jsonl.",
)
@click.option("--stage", default="production", show_default=True, help="Whose model version and service.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write an HTML page with the plot.")
@click.option("--fail-on-shift", is_flag=True, help="Exit 5 when a feature has shifted.")
@common_options
def cli(app: App, inputs: Path, stage: str, report: Path | None, fail_on_shift: bool) -> int:
    """Say for each feature how far live inputs lie from what the model was trained on.

    Where services are local, also requests, errors and latencies of each revision; on Azure, Application Insights has
    those, while the setting services.app_insights is on. Exits 0 unless --fail-on-shift is given and something has
    shifted.
    """
    from deploy.errors import ServiceNotFound
    from mlops.exit_codes import ExitCode
    from mlops.releasing import release_of
    from pipeline.errors import PipelineNotFound
    from pipeline.monitor import UNCOUNTED, monitor, page, read_inputs

    release, model = release_of(app), app.settings["model.name"]
    number = release.registry.alias(model, stage)
    if number is None:
        raise PipelineNotFound(f"stage {stage!r} has no version of {model} yet", hint="mlops run")
    try:
        counts = release.services.counts(release.service(stage))
    except ServiceNotFound:
        counts = {}
    seen = monitor(release.registry.get(model, number), app.backend.data, read_inputs(inputs), counts)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(page(seen), encoding="utf-8")
        app.output.say(f"written: {report}")
    if app.output.format == "json":
        app.output.emit(seen.to_json())
    else:
        app.output.table(seen.features, ("feature", "index", "limit", "shifted", "before", "now"))
        for item in seen.revisions:
            app.output.say(", ".join(f"{key} {value}" for key, value in item.items()))
    if not seen.revisions:
        app.output.say(UNCOUNTED)
    return ExitCode.INVALID if fail_on_shift and seen.shifted else ExitCode.OK
