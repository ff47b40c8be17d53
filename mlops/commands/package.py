"""``mlops package``: build the scoring image of a model version."""

from __future__ import annotations

import click

from mlops.app import App, BackendUnavailable
from mlops.cli import common_options


@click.command(name="package", short_help="Build the scoring image of a model version.")
@click.argument("reference", required=False, metavar="[NAME:VERSION|NAME@ALIAS|@FILE]")
@click.option("--push", metavar="REGISTRY/NAME", help="Push it there (default: the setting image.push).")
@common_options
def cli(app: App, reference: str | None, push: str | None) -> int:
    """Check that a model version loads with its image's files and lock alone, then build that image.

    @FILE is what `mlops pipeline model --file` wrote. Without a reference: what the alias `candidate` names. Prints the
    image's reference and digest. Where services are local processes, no image is built: the check is all that is done.
    """
    from deploy.images import check_repository
    from deploy.packaging import check_loads
    from mlops.references import reference_of
    from mlops.releasing import release_of
    from registry.models import resolve

    release = release_of(app)
    version = resolve(release.registry, reference_of(reference or f"{app.settings['model.name']}@candidate"))
    push = push or app.settings["image.push"] or None
    if push:
        check_repository(push)
    if release.images is None:
        if push:
            raise BackendUnavailable(f"there is no image to push: {app.backend.target_reason}", hint="mlops doctor")
        check_loads(release.package(version), progress=app.output.say)
        result: dict[str, object] = {"model": version.reference, "model_digest": version.digest, "image": None}
        app.output.emit(result, f"{version.reference} loads; no image is needed: {app.backend.target_reason}")
        return 0
    image = release.images.build(release.package(version), progress=app.output.say)
    if push:
        image = release.images.push(image, push, progress=app.output.say)
    result = {
        "model": image.model,
        "model_digest": image.model_digest,
        "image": {"reference": image.reference, "digest": image.digest, "size": image.size, "pushed": bool(push)},
    }
    app.output.emit(result, f"{image.reference}\n{image.digest}")
    return 0
