"""Published pipelines on this machine: a copy of code and configuration under the id of the build that made it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import PipelineConfig
from pipeline.documents import Document
from pipeline.graph import Pipeline
from pipeline.local.executors import Subprocess
from pipeline.local.state import now, to_time
from pipeline.publications import check_build_id, check_content, content_digest, copy_code
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
    kind: str = "training"
    schema_version: int = 1


class Publications:
    """The folder of published pipelines."""

    def __init__(self, root: Path, project: Path, env: Mapping[str, str]) -> None:
        self.root = root
        self.project = project
        self.env = dict(env)

    def publish(self, pipeline: Pipeline, config: PipelineConfig, build_id: str) -> PublishedPipeline:
        """Copy first, then rename into place: a published pipeline is whole or not there."""
        check_build_id(build_id)
        identity = f"{pipeline.name}-{build_id}"
        content = content_digest(pipeline, config, self.project)
        folder = self.root / identity
        if not folder.exists():
            scratch = self.root / f".{identity}.{os.getpid()}"
            for name in (*pipeline.code, "requirements"):
                copy_code(self.project, name, scratch / SOURCE)
            Publication(identity, pipeline.name, build_id, now(), content, config.to_json(), pipeline.kind).write(
                scratch / RECORD
            )
            try:
                scratch.rename(folder)
            except OSError:
                shutil.rmtree(scratch)
                if not folder.exists():
                    raise
        found = Publication.read(folder / RECORD)
        check_content(pipeline, build_id, found.content, content)
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
            record.id,
            record.name,
            record.build_id,
            to_time(record.created),
            str(self.root / record.id),
            config,
            record.kind,
        )
