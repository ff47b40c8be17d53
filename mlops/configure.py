"""From settings to what the pipelines are told."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from mlops.app import App, UsageMistake

if TYPE_CHECKING:
    from pipeline.config import PipelineConfig
    from pipeline.graph import Pipeline


def pipeline_config(app: App, **changes: Any) -> PipelineConfig:
    """The pipeline's inputs as the settings say; `changes` are fields of ``PipelineConfig`` that win."""
    from pathlib import Path

    from pipeline import provenance
    from pipeline.config import PipelineConfig
    from registry.who import whoami

    settings = app.settings
    version = settings["data.version"]
    if version and not (version.isascii() and version.isdecimal() and int(version) > 0):
        raise UsageMistake(f"data.version is {version!r}; versions are 1, 2, 3 ...", hint="leave it out for the newest")
    path = settings["data.path"]
    revision, dirty = provenance.git(app.project)
    values: dict[str, Any] = {
        "model": settings["model.name"],
        "experiment": settings["model.experiment"],
        "data": settings["data.name"],
        "data_version": int(version) if version else None,
        # Steps run in other folders: a path is meant from the project's.
        "data_path": str((app.project / Path(path).expanduser()).resolve()) if path else None,
        "parameters": dict(settings["train.parameters"]),
        "seed": settings["train.seed"],
        "test_size": settings["data.test_size"],
        "grid": dict(settings["train.search"]),
        "joblib_backend": settings["train.joblib_backend"],
        "scheduler": settings["train.scheduler"],
        "evaluate": settings["gate.evaluate"],
        "metric": settings["gate.metric"],
        "direction": settings["gate.direction"],
        "margin": settings["gate.margin"],
        "cancel_on_keep": settings["gate.cancel_on_keep"],
        "build_id": settings["build.id"] or None,
        "build_uri": settings["build.uri"] or None,
        "git_revision": revision,
        "git_dirty": dirty,
        "lock_digest": provenance.lock_digest(app.project),
        "who": whoami(),
    }
    unchanged = {name: value for name, value in changes.items() if value is not None}
    return PipelineConfig(**{**values, **unchanged})


def training(app: App) -> Pipeline:
    """The training pipeline under the project's name for it."""
    from pipeline.graph import TRAINING

    return TRAINING.named(app.settings["pipeline.name"])


def batch(app: App) -> Pipeline:
    """The pipeline that scores tables, under the project's name for it, with the code that its model needs."""
    from dataclasses import replace
    from pathlib import PurePosixPath

    from pipeline.graph import BATCH

    settings = app.settings
    script = PurePosixPath(settings["model.entry_script"])
    # A script of a folder may import its neighbours; one beside mlops.toml has none of its own.
    own = script.parent.as_posix() if len(script.parts) > 1 else script.as_posix()
    code = dict.fromkeys((*BATCH.code, *settings["model.code"], own))
    return replace(BATCH.named(settings["batch.pipeline"]), code=tuple(code))


def batch_config(app: App, **changes: Any) -> PipelineConfig:
    """Its inputs as the settings say; `changes` as in :func:`pipeline_config`."""
    settings = app.settings
    values = {
        "data": settings["batch.data"],
        "entry_script": settings["model.entry_script"],
        "chunk_rows": settings["batch.chunk_rows"],
    }
    config = pipeline_config(app, **{**values, **changes})
    from dataclasses import replace

    # What is trained on has no place here: the newest version of the data set is scored unless a run says otherwise.
    return replace(config, data_version=changes.get("data_version"), data_path=None)


def assignments(pairs: tuple[str, ...], option: str, *, texts: Container[str] = ()) -> Mapping[str, Any]:
    """``NAME=VALUE`` pairs; a value that is JSON (``0.5``, ``true``) is read as such, anything else is text.

    The values of `texts` are text as they stand: the build ``20260131.10`` is no number.
    """
    import contextlib
    import json

    result: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageMistake(f"{option} {pair!r} is not NAME=VALUE")
        value: Any = text
        if name.strip() not in texts:
            with contextlib.suppress(ValueError):
                value = json.loads(text)
        result[name.strip()] = value
    return result


def newest_run(app: App, step: str) -> str:
    """The newest pipeline run of the project in which `step` has completed. Raises ``PipelineNotFound``."""
    from pipeline.errors import PipelineNotFound
    from registry.runs import RunState

    settings = app.settings
    tags = {"pipeline": settings["pipeline.name"]}
    for run in app.backend.runs.search(settings["model.experiment"], tags=tags, limit=50):
        try:
            status = app.backend.pipelines.status(run.id)
        except PipelineNotFound:  # driven from another machine
            continue
        if any(item.name == step and item.state is RunState.COMPLETED for item in status.steps):
            return run.id
    raise PipelineNotFound(f"no run of {settings['pipeline.name']} has completed {step}", hint="mlops train")
