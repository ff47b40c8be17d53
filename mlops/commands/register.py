"""``mlops register``: register the candidate as a model version."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="register", short_help="Register the candidate as a model version.")
@click.option("--run", "run_id", metavar="ID", help="The run that judged it (default: the newest).")
@common_options
def cli(app: App, run_id: str | None) -> int:
    """Register what `mlops evaluate` said to promote; the alias `candidate` names it then.

    Exits 6 when it said to keep production.
    """
    from mlops.configure import newest_run, pipeline_config, training
    from mlops.exit_codes import ExitCode
    from pipeline.results import RegisterResult

    config = pipeline_config(app, cancel_on_keep=False)
    runner = app.backend.pipelines
    earlier = run_id or newest_run(app, "evaluate")
    status = runner.run(training(app), config, resume=earlier, start="register", progress=app.output.say)
    result = runner.result(status.run_id, "register", RegisterResult)
    app.output.emit({"pipeline_run": status.run_id, **result.to_json()}, result.model or f"skipped: {result.skipped}")
    return ExitCode.OK if result.model else ExitCode.KEEP
