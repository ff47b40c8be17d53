"""``mlops run``: the whole flow, from data checks to production."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="run", short_help="The whole flow: data checks to production.")
@click.option("--allow-shift", is_flag=True, help="Train although the data's distribution has shifted.")
@common_options
def cli(app: App, allow_shift: bool) -> int:
    """Check data, train, evaluate, register if better, package, release to QA and production, smoke-test both.

    Exits 0 both when the candidate is promoted and when production is kept (not better): the document's `decision`
    says which.
    """
    from mlops.flow import run_flow

    result = run_flow(app, allow_shift=allow_shift)
    app.output.emit(result.to_json(), result.to_text())
    return 0
