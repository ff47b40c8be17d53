"""What every kind of published pipeline has in common: a build publishes one content under a name, once."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict, PipelineError
from pipeline.graph import Pipeline

_BUILD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_build_id(build_id: str) -> None:
    """Refuse what cannot be part of a file's name. Raises ``PipelineError``."""
    if not _BUILD.fullmatch(build_id):
        raise PipelineError(
            f"{build_id!r} is no build id: letters, digits, '.', '_' and '-', at most 100",
            hint="--build-id, or MLOPS_BUILD_ID",
        )


def content_digest(pipeline: Pipeline, config: PipelineConfig, project: Path) -> str:
    """Digest of what a published pipeline freezes: code, lock, steps and configuration."""
    document = {
        "code": provenance.code_digest(project, pipeline.code),
        "lock": provenance.lock_digest(project),
        "steps": [step.name for step in pipeline.steps],
        "config": config.to_json(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def copy_code(project: Path, name: str, target: Path) -> None:
    """Copy a folder or file of the project's code to the same place below `target`; what is not there is left out."""
    source, copy = project / name, target / name
    if source.is_dir():
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"), dirs_exist_ok=True)
    elif source.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def check_content(pipeline: Pipeline, build_id: str, found: str | None, content: str) -> None:
    """Compare what a build has published with what it would publish now. Raises ``PipelineConflict``."""
    if found != content:
        raise PipelineConflict(
            f"build {build_id} has published another {pipeline.name} already",
            hint="publish under a new build id: published pipelines do not change",
        )
