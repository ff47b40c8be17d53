"""``mlops release``: to production, with a canary when asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options

if TYPE_CHECKING:
    from deploy.canary import CanaryReport
    from pipeline.release import Release
    from registry.models import ModelVersion


@click.command(name="release", short_help="Release to production, with a canary when asked.")
@click.argument("reference", required=False, metavar="[NAME:VERSION|NAME@ALIAS]")
@click.option("--canary", type=click.IntRange(1, 99), help="Percent of the traffic that it gets at first.")
@click.option(
    "--probes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Requests to send while watching, one JSON document a line (default: those of the golden predictions).",
)
@common_options
def cli(app: App, reference: str | None, canary: int | None, probes: Path | None) -> int:
    """Release a version that QA has passed (default: what the alias `qa` names) to production.

    With --canary it gets a share of the traffic first and is watched beside the running version for errors, latency and
    disagreement; the settings canary.* say when it is taken back. Exits 7 if it was.
    """
    from mlops.commands.services import document
    from mlops.releasing import release_of
    from registry.models import resolve

    release, model = release_of(app), app.settings["model.name"]
    version = resolve(release.registry, reference or f"{model}@qa")
    if release.registry.alias(version.name, "qa") != version.version:
        raise UsageMistake(f"{version.reference} has not passed QA", hint=f"mlops deploy {version.reference}")
    if canary is None:
        info = release.release_to("production", version, app.output.say, why="released")
        app.output.emit(document(info), f"{info.name} {info.state.value} {info.version} {info.uri}")
        return 0
    report = _canary(app, release, version, canary, probes)
    release.smoke("production", version)
    release.promoted("production", version, f"released after a canary with {canary} percent: {report.reason}")
    info = release.services.get(release.service("production"))
    result = {**document(info), "canary": report.to_json()}
    app.output.emit(result, f"{info.name} {info.state.value} {info.version} {info.uri}\n{report.reason}")
    return 0


def _canary(app: App, release: Release, version: ModelVersion, percent: int, probes: Path | None) -> CanaryReport:
    from deploy import canary
    from deploy.services import DeployRequest

    settings = app.settings
    request, image = release.build(version, app.output.say)
    rule = canary.Rule(
        requests=settings["canary.requests"],
        max_errors=settings["canary.max_errors"],
        max_latency_ratio=settings["canary.max_latency_ratio"],
        max_disagreement=settings["canary.max_disagreement"],
    )
    return canary.release(
        release.services,
        DeployRequest(
            service=release.service("production"),
            stage="production",
            package=request,
            image=image,
            env=release.env,
            cpu=release.cpu,
            memory_gb=release.memory_gb,
            tags=release.tags,
        ),
        percent=percent,
        probes=_read(probes) if probes else _golden(release, version),
        rule=rule,
        timeout=release.timeout,
        progress=app.output.say,
    )


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


def _golden(release: Release, version: ModelVersion) -> list[bytes]:
    """The golden requests of the new version and of the running one, a row each where they have rows."""
    from deploy.smoke import read_golden

    requests: list[Any] = [read_golden(release.artifact(version)).request]
    running = release.registry.alias(version.name, "production")
    if running is not None:
        requests.append(read_golden(release.artifact(release.registry.get(version.name, running))).request)
    found = []
    for request in requests:
        rows = request.get("data") if isinstance(request, dict) else None
        found += [{**request, "data": [row]} for row in rows] if isinstance(rows, list) and rows else [request]
    return [json.dumps(item).encode() for item in found]
