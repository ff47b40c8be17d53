"""``mlops promote``: move what one stage serves to the next."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="promote", short_help="Move what QA serves to production.")
@click.option("--from", "source", default="qa", show_default=True, help="The stage whose version is taken.")
@click.option("--to", "target", default="production", show_default=True, help="The stage that gets it.")
@common_options
def cli(app: App, source: str, target: str) -> int:
    """Deploy to production the version that passed in QA, smoke-test it there, and let the alias name it."""
    from mlops.commands.services import document
    from mlops.releasing import release_of

    info = release_of(app).promote(app.settings["model.name"], app.output.say, source=source, target=target)
    app.output.emit(document(info), f"{info.name} {info.state.value} {info.version} {info.uri}")
    return 0
