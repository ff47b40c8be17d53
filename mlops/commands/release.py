"""``mlops release``: to production, with a canary when asked."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options


@click.command(name="release", short_help="Release to production, with a canary when asked.")
@click.argument("reference", required=False, metavar="[NAME:VERSION|NAME@ALIAS|@FILE]")
@click.option(
    "--canary",
    type=click.IntRange(0, 99),
    default=0,
    show_default=True,
    metavar="PERCENT",
    help="Percent of the traffic that it gets at first; 0 gives it everything at once.",
)
@click.option(
    "--probes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Requests to send while watching, one JSON document a line (default: those of the golden predictions).",
)
@common_options
def cli(app: App, reference: str | None, canary: int, probes: Path | None) -> int:
    """Release a version that QA has passed (default: what the alias `qa` names) to production.

    With --canary it gets a share of the traffic first and is watched beside the running version for errors, latency and
    disagreement; the settings canary.* say when it is taken back. Exits 7 if it was. @FILE is what
    `mlops pipeline model --file` wrote.
    """
    from deploy.canary import Rule
    from mlops.commands.services import document
    from mlops.references import reference_of
    from mlops.releasing import release_of
    from registry.models import resolve

    sent = _read(probes) if probes else None
    release, settings = release_of(app), app.settings
    version = resolve(release.registry, reference_of(reference or f"{settings['model.name']}@qa"))
    if release.registry.alias(version.name, "qa") != version.version:
        raise UsageMistake(
            f"{version.reference} has not passed QA", hint=f"mlops deploy {version.reference} --stage qa"
        )
    if not canary:
        info = release.release_to("production", version, app.output.say, why="released")
        app.output.emit(document(info), f"{info.name} {info.state.value} {info.version} {info.uri}")
        return 0
    rule = Rule(
        requests=settings["canary.requests"],
        max_errors=settings["canary.max_errors"],
        max_latency_ratio=settings["canary.max_latency_ratio"],
        max_disagreement=settings["canary.max_disagreement"],
    )
    report = release.release_with_canary(version, app.output.say, percent=canary, rule=rule, probes=sent)
    info = release.services.get(release.service("production"))
    result = {**document(info), "canary": report.to_json()}
    app.output.emit(result, f"{info.name} {info.state.value} {info.version} {info.uri}\n{report.reason}")
    return 0


def _read(path: Path) -> list[bytes]:
    lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)
        except ValueError as error:
            raise UsageMistake(f"{path}, line {number} is no JSON: {error}", hint="one JSON document a line") from error
    if not lines:
        raise UsageMistake(f"{path} holds no request", hint="one JSON document a line")
    return lines
