"""Data sets in an Azure Machine Learning workspace: files in the default datastore, registered as a file data set."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from registry import names
from registry.artifacts import survey
from registry.azure.workspace import AzureWorkspace, translated
from registry.data import DataSets, DataSetVersion
from registry.digests import tree_digest
from registry.errors import Conflict, Corrupt, NotFound

FOLDER = "mlops-data"
_OURS = "mlops."


class AzureDataSets(DataSets):
    """Files are at ``mlops-data/<name>/<digest>/`` of the default datastore; digest and profile are tags.

    The files are copied with the datastore's blob client, not with the data set's native engine, so that a machine
    without ``azureml-dataset-runtime``'s engine can train.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    """

    def __init__(self, workspace: AzureWorkspace) -> None:
        self._workspace = workspace

    def register(
        self,
        name: str,
        path: Path,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> DataSetVersion:
        names.check_name(name, "data set")
        tags = names.check_texts(tags)
        document = names.check_document(profile, "profile field")
        size = survey(path)
        digest = tree_digest(path)
        newest = self._newest(name)
        if newest is not None and newest.digest == digest:
            return newest
        prefix = f"{FOLDER}/{name}/{digest.removeprefix('sha256:')}"
        self._upload(path, prefix)
        ours = {
            "digest": digest,
            "size": str(size),
            "artifact": path.name,
            "created": datetime.now(timezone.utc).isoformat(),
            "profile": json.dumps(document, sort_keys=True),
        }
        from azureml.core import Dataset

        with translated(f"registering data set {name}"):
            source = Dataset.File.from_files(path=[(self._workspace.datastore, f"{prefix}/**")], validate=False)
            registered = source.register(
                self._workspace.sdk,
                name=name,
                description=description,
                tags={**tags, **{_OURS + key: value for key, value in ours.items()}},
                create_new_version=True,
            )
        return _version(registered)

    def get(self, name: str, version: int | None = None) -> DataSetVersion:
        return _version(self._sdk(name, version))

    def versions(self, name: str | None = None) -> Iterator[DataSetVersion]:
        if name is not None:
            names.check_name(name, "data set")
        with translated("listing data sets"):
            chosen = [name] if name is not None else _names(self._workspace.sdk.datasets)
        for one in chosen:
            newest = self._newest(one)
            if newest is None:
                continue
            yield newest
            for number in range(newest.version - 1, 0, -1):
                yield self.get(one, number)

    def download(self, name: str, version: int, target: Path) -> Path:
        kept = self.get(name, version)
        tags = self._sdk(name, version).tags
        artifact = tags.get(_OURS + "artifact") or name
        final = target / artifact
        if os.path.lexists(final):
            raise Conflict(f"{final} is there already", hint="choose another folder")
        target.mkdir(parents=True, exist_ok=True)
        prefix = f"{FOLDER}/{name}/{kept.digest.removeprefix('sha256:')}/"
        scratch = Path(tempfile.mkdtemp(prefix=".download-", dir=target))
        try:
            with translated(f"downloading data set {name}:{version}"):
                count = self._workspace.datastore.download(str(scratch), prefix=prefix, show_progress=False)
            found = scratch / prefix / artifact
            if not count or not found.exists() or tree_digest(found) != kept.digest:
                raise Corrupt(f"the files of data set {name}:{version} do not match its digest {kept.digest}")
            found.rename(final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return final

    def _upload(self, path: Path, prefix: str) -> None:
        files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
        with translated(f"uploading {path.name}"):
            self._workspace.datastore.upload_files(
                [str(item) for item in files],
                relative_root=str(path.parent),
                target_path=prefix,
                overwrite=True,
                show_progress=False,
            )

    def _newest(self, name: str) -> DataSetVersion | None:
        try:
            return self.get(name)
        except NotFound:
            return None

    def _sdk(self, name: str, version: int | None) -> Any:
        names.check_name(name, "data set")
        if version is not None:
            names.check_version(version)
        from azureml.core import Dataset

        shown = name if version is None else f"{name}:{version}"
        try:
            with translated(f"data set {shown}"):
                return Dataset.get_by_name(self._workspace.sdk, name, version if version is not None else "latest")
        except NotFound:
            raise NotFound(f"there is no data set {shown}", hint="mlops data list") from None


def _names(datasets: Any) -> list[str]:
    # The SDK's lazy mapping loses its keys when something asks for its length while it is iterated, as list() does.
    len(datasets)
    return sorted(datasets)


def _version(sdk: Any) -> DataSetVersion:
    tags = dict(sdk.tags or {})
    created = tags.get(_OURS + "created")
    return DataSetVersion(
        name=sdk.name,
        version=int(sdk.version),
        digest=tags.get(_OURS + "digest", ""),
        size=int(tags.get(_OURS + "size", "0")),
        created=datetime.fromisoformat(created) if created else datetime.fromtimestamp(0, timezone.utc),
        description=sdk.description or "",
        tags={key: value for key, value in tags.items() if not key.startswith(_OURS)},
        profile=json.loads(tags.get(_OURS + "profile", "{}")),
    )
