"""``mlops step``: run one pipeline step; called by the runners, not by people."""

from __future__ import annotations

from pathlib import Path

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="step", short_help="Run one pipeline step.")
@click.option("--order", type=click.Path(path_type=Path, dir_okay=False), required=True, help="What to do, as a file.")
@common_options
def cli(app: App, order: Path) -> int:
    """Run the step that an order file describes. A failure is written beside its output for whoever gave the order."""
    from mlops.exit_codes import ExitCode, exit_code_of
    from pipeline.local.child import run_order
    from pipeline.local.executors import Seams

    seams = Seams(app.backend.registry, app.backend.runs, app.backend.data)
    try:
        run_order(order, seams, app.output.say)
    except Exception as error:
        code = exit_code_of(error)
        if code is ExitCode.UNEXPECTED:
            import traceback

            traceback.print_exception(error, file=app.output.stderr)
        return code
    return ExitCode.OK
