"""From settings to what a release needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops.app import App

if TYPE_CHECKING:
    from pipeline.release import Release


def release_of(app: App) -> Release:
    """The release machinery of the chosen backend, as the settings say."""
    from pipeline.release import Release

    settings, backend = app.settings, app.backend
    tags = {"build_id": settings["build.id"]} if settings["build.id"] else {}
    return Release(
        registry=backend.registry,
        services=backend.services,
        images=backend.images,
        project=app.project,
        entry_script=Path(settings["model.entry_script"]),
        code=tuple(settings["model.code"]),
        names={"qa": settings["services.qa"], "production": settings["services.production"]},
        cache=app.state / "cache",
        who=who(settings["build.id"]),
        base_image=settings["image.base"] or None,
        timeout=settings["services.timeout"],
        cpu=settings["services.cpu"],
        memory_gb=settings["services.memory_gb"],
        env={"WORKER_COUNT": str(settings["services.workers"])},
        tags=tags,
    )


def who(build: str = "") -> str:
    """Who acts, for the promotion log: the build, or the user of this machine."""
    if build:
        return f"build {build}"
    from registry.who import whoami

    return whoami()
