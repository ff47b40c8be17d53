"""``mlops doctor``: what is installed, chosen and missing."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="doctor", short_help="Say what is installed, chosen and missing.")
@click.option("--settings", "show_settings", is_flag=True, help="Show every setting and where it came from.")
@common_options
def cli(app: App, show_settings: bool) -> int:
    """Check this machine and the chosen backend, and say how to mend what is missing.

    Exits 0 when the chosen backend can be used, 8 when something that it needs is missing.
    """
    from mlops.doctor import examine

    report = examine(app)
    app.output.emit(report.to_json(), report.to_text(show_settings))
    return 0 if report.usable else 8
