"""``mlops rollback``: go back to the version before."""

from __future__ import annotations

import click

from mlops.app import App
from mlops.cli import common_options


@click.command(name="rollback", short_help="Go back to the version before.")
@click.option("--stage", default="production", show_default=True, help="qa or production.")
@click.option("--to", "to", type=click.IntRange(min=1), metavar="VERSION", help="Not the one before, but this one.")
@common_options
def cli(app: App, stage: str, to: int | None) -> int:
    """Deploy the version that the stage's alias named before, and record that in the promotion log."""
    from mlops.commands.services import document
    from mlops.releasing import release_of

    release, model = release_of(app), app.settings["model.name"]
    move = release.rollback(stage, model, app.output.say, to=to)
    info = release.services.get(release.service(stage))
    if move is None:
        text = f"{stage} names {_name(model, to)} already: nothing was written, {info.uri} {info.state.value}"
        app.output.emit({**document(info), "move": None}, text)
        return 0
    moved = {"from": _name(model, move.from_version), "to": _name(model, move.to_version), "sequence": move.sequence}
    app.output.emit(
        {**document(info), "move": moved}, f"{stage}: {moved['from']} -> {moved['to']}, {info.uri} {info.state.value}"
    )
    return 0


def _name(model: str, version: int | None) -> str | None:
    return None if version is None else f"{model}:{version}"
