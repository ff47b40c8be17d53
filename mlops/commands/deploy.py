"""``mlops deploy``: deploy a model version to a stage."""

from __future__ import annotations

import click

from mlops.app import App, UsageMistake
from mlops.cli import common_options


@click.command(name="deploy", short_help="Deploy a model version to a stage.")
@click.argument("reference", required=False, metavar="[NAME:VERSION|NAME@ALIAS|@FILE]")
@click.option("--stage", default="qa", show_default=True, help="qa or production.")
@click.option("--traffic", type=click.IntRange(0, 100), default=100, show_default=True, help="Percent it gets.")
@click.option("--skip-qa", is_flag=True, help="Deploy to production what QA has not passed.")
@common_options
def cli(app: App, reference: str | None, stage: str, traffic: int, skip_qa: bool) -> int:
    """Package and deploy a model version, smoke-test it, and let the stage's alias name it.

    The version before serves until the new one is ready and has passed the smoke test; if it does not, nothing changes.
    @FILE is what `mlops pipeline model --file` wrote. Without a reference: what `candidate` names, or, for production,
    what `qa` names.
    """
    from mlops.commands.services import document
    from mlops.references import reference_of
    from mlops.releasing import release_of
    from registry.models import resolve

    release = release_of(app)
    release.service(stage)
    model = app.settings["model.name"]
    wanted = reference_of(reference or f"{model}@{'candidate' if stage == 'qa' else 'qa'}")
    version = resolve(release.registry, wanted)
    if stage != "qa" and not skip_qa and release.registry.alias(version.name, "qa") != version.version:
        raise UsageMistake(
            f"{version.reference} has not passed QA", hint=f"mlops deploy {version.reference} --stage qa, or --skip-qa"
        )
    request, image = release.build(version, app.output.say)
    info = release.deploy(stage, request, image, app.output.say, traffic=traffic)
    if info.version == version.reference and traffic == 100:
        release.prove(stage, version, app.output.say, why=f"deployed to {stage}")
    app.output.emit(document(info), f"{info.name} {info.state.value} {info.version} {info.uri}")
    return 0
