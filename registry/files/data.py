"""Data sets as files: ``sets/<name>/versions/<n>.json``, content in ``blobs/``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.artifacts import Artifact, collect
from registry.data import DataSets, DataSetVersion
from registry.errors import Corrupt, InvalidName, NotFound, RegistryError
from registry.files import content, disk, documents
from registry.files.collect import collect as collect_leftovers
from registry.files.log import NumberedLog
from registry.files.store import Store, Writer
from registry.models import Collected
from registry.names import check_document, check_name, check_text, check_texts, check_version

logger = logging.getLogger(__name__)


class FileDataSets(DataSets):
    """Data sets below one folder, for any number of processes of one machine at once.

    Parameters
    ----------
    root : pathlib.Path
        The folder; made at the first registration.
    """

    def __init__(self, root: Path) -> None:
        self.store = Store(root, "data", "sets")

    def register(
        self,
        name: str,
        path: Path,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> DataSetVersion:
        """Store a copy as the next version; see :meth:`registry.data.DataSets.register`."""
        check_name(name, "data set")
        fields: dict[str, Any] = {
            "created": documents.now(),
            "description": check_text(description, "the description"),
            "tags": check_texts(tags),
            "profile": check_document(profile, "profile field"),
        }
        collect(path, self.store.root)
        self.store.make()
        log = self._log(name)
        with disk.guarded(f"register data set {name!r}"):
            self.store.folder(log.folder)
            # One at a time for one data set: two processes that bring equal content get one version.
            with disk.locked(log.folder.parent / "lock"), Writer(self.store) as writer:
                taken, staged = content.take(self.store, writer, path)
                with self.store.publishing():
                    content.place(self.store, staged, sync=False)  # equal content too: it mends what was damaged
                    newest = self._newest(name, log)
                    if newest and newest.digest == taken.digest:
                        disk.sync_folder(self.store.blobs)
                        log.sync()
                        return newest
                    number = log.append(
                        writer, lambda number: _document(name, number, taken, fields), needs=self.store.blobs
                    )
        return DataSetVersion(name=name, version=number, digest=taken.digest, size=taken.size, **fields)

    def get(self, name: str, version: int | None = None) -> DataSetVersion:
        """Read one version; see :meth:`registry.data.DataSets.get`."""
        return self._load(name, version)[0]

    def versions(self, name: str | None = None) -> Iterator[DataSetVersion]:
        """List versions; unreadable ones are logged as warnings and skipped."""
        if name is not None:
            check_name(name, "data set")
        for each in self.names() if name is None else [name]:
            self.store.open()
            for number in reversed(self._log(each).numbers()):
                try:
                    yield self._load(each, number)[0]
                except RegistryError as error:
                    logger.warning("%s", error)

    def names(self) -> list[str]:
        """Names of all data sets, sorted."""
        if not self.store.open() or not self.store.documents.is_dir():
            return []
        found = []
        for folder in os.listdir(self.store.documents):
            log = NumberedLog(self.store.documents / folder / "versions")
            try:
                if log.last():
                    found.append(documents.Reader(log.read(1), str(log.path(1))).text("name"))
            except (RegistryError, FileNotFoundError) as error:
                logger.warning("%s", error)
        return sorted(found)

    def download(self, name: str, version: int, target: Path) -> Path:
        """Copy a version out, verified; see :meth:`registry.data.DataSets.download`."""
        return content.give(self.store, self._load(name, version)[1], target, f"data set {name}:{version}")

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove leftovers; see :meth:`registry.models.ModelRegistry.collect`."""
        return collect_leftovers(self.store, self._references, dry_run=dry_run)

    def _references(self, errors: list[RegistryError]) -> Iterator[str]:
        for name in self.names():
            for number in range(1, self._log(name).last() + 1):
                try:
                    yield from (file.sha256 for file in self._load(name, number)[1].files)
                except RegistryError as error:
                    errors.append(error)

    def _log(self, name: str) -> NumberedLog:
        return NumberedLog(self.store.documents / name.lower() / "versions")

    def _newest(self, name: str, log: NumberedLog) -> DataSetVersion | None:
        last = log.last()
        if not last:
            return None
        spelled = documents.Reader(log.read(last), str(log.path(last))).text("name")
        if spelled != name and spelled.lower() == name.lower():
            raise InvalidName(f"{name!r} differs from the data set {spelled!r} only in case")
        return self._load(name, last)[0]

    def _load(self, name: str, version: int | None) -> tuple[DataSetVersion, Artifact]:
        check_name(name, "data set")
        if version is not None:
            check_version(version)
        self.store.open()
        log = self._log(name)
        number = version or log.last()
        try:
            reader = documents.Reader(log.read(number), str(log.path(number)))
        except FileNotFoundError:
            what = f"data set {name}:{version}" if version else f"data set {name!r}"
            raise NotFound(f"there is no {what}", hint="'mlops data list' shows what there is") from None
        if (spelled := reader.text("name")) != name and spelled.lower() == name.lower():
            raise NotFound(f"there is no data set {name!r}; there is {spelled!r}")
        return _read(reader, name, number)


def _document(name: str, number: int, artifact: Artifact, fields: dict[str, Any]) -> dict[str, Any]:
    created = documents.write_time(fields["created"])
    return {"name": name, "version": number, **fields, **content.document(artifact), "created": created}


def _read(reader: documents.Reader, name: str, number: int) -> tuple[DataSetVersion, Artifact]:
    if reader.text("name") != name or reader.number("version") != number:
        raise Corrupt(f"{reader.where} says that it is {reader.text('name')}:{reader.number('version')}")
    artifact = content.read(reader)
    version = DataSetVersion(
        name=name,
        version=number,
        digest=artifact.digest,
        size=artifact.size,
        created=reader.time("created"),
        description=reader.text("description", ""),
        tags=reader.texts("tags"),
        profile=reader.table("profile"),
    )
    return version, artifact
