"""``mlops evaluate``: judge the candidate against production."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="evaluate", short_help="Judge the candidate against production.")
@click.option("--run", "run_id", metavar="ID", help="The run that trained it (default: the newest).")
@click.option("--metric", help="The metric that decides.")
@click.option("--direction", type=click.Choice(["lower", "higher"]), help="Which metric is better.")
@click.option("--margin", type=float, help="How much better the candidate must be.")
@common_options
def cli(app: App, run_id: str | None, metric: str | None, direction: str | None, margin: float | None) -> int:
    """Judge the candidate on its held-out rows.

    Exits 0 when the candidate should be promoted, 6 when production should be kept, 5 when neither can be said.
    """
    from mlops.configure import newest_run, pipeline_config, training
    from mlops.exit_codes import ExitCode
    from pipeline.results import EvaluateResult

    config = pipeline_config(app, metric=metric, direction=direction, margin=margin, cancel_on_keep=False)
    runner = app.backend.pipelines
    earlier = run_id or newest_run(app, "train")
    status = runner.run(
        training(app), config, until="evaluate", resume=earlier, start="evaluate", progress=app.output.say
    )
    result = runner.result(status.run_id, "evaluate", EvaluateResult)
    app.output.emit({"run_id": status.run_id, **result.to_json()}, f"{result.decision}: {result.reason}")
    return ExitCode.OK if result.decision == "promote" else ExitCode.KEEP
