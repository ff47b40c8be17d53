"""``mlops smoke``: smoke-test what a stage serves."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlops.app import App
from mlops.cli import SECONDS, common_options


@click.command(name="smoke", short_help="Smoke-test what a stage serves.")
@click.option("--stage", default="qa", show_default=True, help="qa or production.")
@click.option("--timeout", type=SECONDS, default=60.0, show_default=True, help="Seconds until the deadline.")
@common_options
def cli(app: App, stage: str, timeout: float) -> int:
    """Send the golden request of the version that the stage's alias names, and compare the answer and its digest.

    Refused connections and the statuses 502, 503 and 504 are tried again until the deadline, nothing else is.
    """
    from mlops.releasing import release_of
    from registry.models import resolve

    release = release_of(app)
    release.service(stage)
    version = resolve(release.registry, f"{app.settings['model.name']}@{stage}")
    report = release.smoke(stage, version, timeout=timeout)
    app.output.emit(
        {"stage": stage, "version": version.reference, **asdict(report)},
        f"{report.uri} serves {version.reference} and repeats its golden prediction",
    )
    return 0
