"""Published pipelines: on Azure ML, with what Azure has no field for in a blob that a build can create only once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pipeline import provenance
from pipeline.azure import endpoints
from pipeline.azure.graph import Compute, built, sending
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineError
from pipeline.graph import Pipeline
from pipeline.publications import check_build_id, check_content, content_digest
from pipeline.runner import PublishedPipeline
from registry.azure.blobs import BlobFolder
from registry.azure.workspace import AzureWorkspace, translated
from registry.digests import file_digest, tree_digest
from registry.errors import NotFound

FOLDER = "mlops-pipelines/"


class AzurePublications:
    """The published pipelines of a workspace; the version of each is the build that published it."""

    def __init__(self, workspace: AzureWorkspace, project: Path, compute: Compute) -> None:
        self._workspace = workspace
        self._project = project
        self._compute = compute
        self._blobs = BlobFolder(workspace, FOLDER)

    def publish(self, pipeline: Pipeline, config: PipelineConfig, build_id: str) -> PublishedPipeline:
        """Publish under a build id; the same content gives the same pipeline back."""
        check_build_id(build_id)
        name = f"{pipeline.name}/{build_id}.json"
        content = self._content(pipeline, config)
        found = self._read(name)
        if found is None:
            with (
                sending(f"publishing {pipeline.name}"),
                built(self._workspace, pipeline, pipeline.steps, config, self._compute, self._project) as sdk_pipeline,
            ):
                made = sdk_pipeline.publish(
                    name=pipeline.name,
                    description=f"build {build_id}",
                    version=build_id,
                    continue_on_step_failure=False,
                )
            record = {
                "id": str(made.id),
                "name": pipeline.name,
                "build_id": build_id,
                "created": datetime.now(timezone.utc).isoformat(),
                "endpoint": made.endpoint,
                "content": content,
                "config": config.to_json(),
                "kind": pipeline.kind,
            }
            if not self._blobs.create(name, json.dumps(record, sort_keys=True).encode()):
                with translated(f"disabling a second {pipeline.name} of build {build_id}"):
                    made.disable()  # somebody published the same build meanwhile: theirs counts
            found = self._read(name)
        if found is None:
            raise PipelineError(f"{pipeline.name} of build {build_id} was taken away while it was published")
        check_content(pipeline, build_id, found["content"], content)
        endpoints.offer(self._workspace, pipeline.name, self.sdk(_public(found)))
        return _public(found)

    def _content(self, pipeline: Pipeline, config: PipelineConfig) -> str:
        """Digest of all that is frozen; here also the table that travels along, the lock of the steps, the compute."""
        lock = self._project / "requirements" / "locks" / f"azure-{provenance.python_minor()}.txt"
        data = Path(config.data_path) if config.data_path else None
        document = {
            "content": content_digest(pipeline, config, self._project),
            "lock": file_digest(lock) if lock.is_file() else None,
            "data": tree_digest(data) if data is not None and data.exists() else None,
            "compute": asdict(self._compute),
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    def search(self, name: str | None, build_id: str | None) -> Iterator[PublishedPipeline]:
        """Newest first. Raises ``PipelineError`` for what can be no build id."""
        if name is not None and build_id is not None:
            check_build_id(build_id)
            blobs = [f"{name}/{build_id}.json"]  # one request, however many builds have published
        else:
            blobs = [blob for blob in self._blobs.names() if _is(blob, name, build_id)]
        records = [record for record in map(self._read, blobs) if record is not None]
        yield from sorted(map(_public, records), key=lambda item: item.created, reverse=True)

    def by_id(self, published_id: str) -> PublishedPipeline | None:
        """The publication that Azure gave this id, if it is one of the kit's."""
        return next((item for item in self.search(None, None) if item.id == published_id), None)

    def sdk(self, published: PublishedPipeline) -> Any:
        """The SDK's object."""
        from azureml.pipeline.core import PublishedPipeline as SdkPublished

        with translated(f"published pipeline {published.id}"):
            return SdkPublished.get(self._workspace.sdk, published.id)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._blobs.read(name))
        except NotFound:
            return None
        return document


def _is(blob: str, name: str | None, build_id: str | None) -> bool:
    """Whether a blob is the publication of this pipeline and build; ``None``: of any."""
    pipeline, _, file = blob.rpartition("/")
    return name in (None, pipeline) and build_id in (None, file.removesuffix(".json"))


def _public(record: dict[str, Any]) -> PublishedPipeline:
    return PublishedPipeline(
        id=record["id"],
        name=record["name"],
        build_id=record["build_id"],
        created=datetime.fromisoformat(record["created"]),
        endpoint=record["endpoint"] or "",
        config=PipelineConfig.from_json(record["config"]),
        kind=record.get("kind", "training"),
    )
