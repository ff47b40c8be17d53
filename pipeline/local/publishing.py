"""Published pipelines on this machine: a copy of code and configuration under the id of the build that made it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.documents import Document
from pipeline.errors import PipelineConflict, PipelineError
from pipeline.graph import Pipeline
from pipeline.local.executors import Subprocess
from pipeline.local.state import now, to_time
from pipeline.runner import PublishedPipeline

RECORD = "published.json"
SOURCE = "source"


@dataclass(frozen=True)
class Publication(Document):
    """One published pipeline, as its file says."""

    id: str
    name: str
    build_id: str
    created: str
    content: str
    """Digest of code, locks and configuration."""
    config: Mapping[str, Any]
    schema_version: int = 1


class Publications:
    """The folder of published pipelines."""

    def __init__(self, root: Path, project: Path, env: Mapping[str, str]) -> None:
        self.root = root
        self.project = project
        self.env = dict(env)

    def publish(self, pipeline: Pipeline, config: PipelineConfig, build_id: str) -> PublishedPipeline:
        """Copy first, then rename into place: a published pipeline is whole or not there."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", build_id):
            raise PipelineError(
                f"{build_id!r} is no build id: letters, digits, '.', '_' and '-', at most 100",
                hint="--build-id, or MLOPS_BUILD_ID",
            )
        identity = f"{pipeline.name}-{build_id}"
        content = self._content(pipeline, config)
        folder = self.root / identity
        if not folder.exists():
            scratch = self.root / f".{identity}.{os.getpid()}"
            for name in (*pipeline.code, "requirements"):
                if (self.project / name).is_dir():
                    shutil.copytree(
                        self.project / name, scratch / SOURCE / name, ignore=shutil.ignore_patterns("__pycache__")
                    )
            Publication(identity, pipeline.name, build_id, now(), content, config.to_json()).write(scratch / RECORD)
            try:
                scratch.rename(folder)
            except OSError:
                shutil.rmtree(scratch)
                if not folder.exists():
                    raise
        found = Publication.read(folder / RECORD)
        if found.content != content:
            raise PipelineConflict(
                f"build {build_id} has published another {pipeline.name} already",
                hint="publish under a new build id: published pipelines do not change",
            )
        return self._public(found)

    def search(self, name: str | None, build_id: str | None) -> Iterator[PublishedPipeline]:
        """Newest first."""
        records = [Publication.read(path) for path in self.root.glob(f"*/{RECORD}") if path.parent.name[0] != "."]
        for record in sorted(records, key=lambda item: item.created, reverse=True):
            if name in (None, record.name) and build_id in (None, record.build_id):
                yield self._public(record)

    def source(self, identity: str) -> Path:
        """The code of a published pipeline."""
        return self.root / identity / SOURCE

    def executor(self, root: Path) -> Subprocess:
        """Runs steps from a published pipeline's code, with this project's settings and state."""
        return Subprocess(self.project, root=root, env=self.env)

    def _public(self, record: Publication) -> PublishedPipeline:
        config = PipelineConfig.from_json(record.config)
        return PublishedPipeline(
            record.id, record.name, record.build_id, to_time(record.created), str(self.root / record.id), config
        )

    def _content(self, pipeline: Pipeline, config: PipelineConfig) -> str:
        document = {
            "code": provenance.code_digest(self.project, pipeline.code),
            "lock": provenance.lock_digest(self.project),
            "steps": [step.name for step in pipeline.steps],
            "config": config.to_json(),
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
