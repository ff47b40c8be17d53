"""Model versions as files; :mod:`registry.files.layout` says which."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry.artifacts import Artifact, collect
from registry.errors import AliasMoved, Corrupt, InUse, InvalidName, NewerSchema, NotFound, RegistryError
from registry.files import content, disk, documents
from registry.files.collect import collect as collect_leftovers
from registry.files.exchange import export_models, import_models
from registry.files.index import Index
from registry.files.layout import ModelFolder
from registry.files.store import Store, Writer
from registry.files.verify import references, verify
from registry.files.versions import move_document, state_document, version_document
from registry.models import AliasMove, Collected, Lineage, ModelRegistry, ModelVersion, Verified, moment_after
from registry.names import (
    check_alias,
    check_document,
    check_metrics,
    check_name,
    check_text,
    check_texts,
    check_version,
)

logger = logging.getLogger(__name__)


class FileModelRegistry(ModelRegistry):
    """Model versions below one folder, for any number of processes of one machine at once.

    Parameters
    ----------
    root : pathlib.Path
        The folder; made at the first registration. A read-only copy can be read.
    """

    def __init__(self, root: Path) -> None:
        self.store = Store(root, "models", "models")
        self._folders: dict[str, ModelFolder] = {}
        self._indexes: dict[str, Index] = {}

    # ---- writing ------------------------------------------------------------------------------------------------
    def register(
        self,
        name: str,
        artifact: Path,
        *,
        description: str = "",
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        lineage: Lineage | None = None,
    ) -> ModelVersion:
        """Store a copy of `artifact`; see :meth:`registry.models.ModelRegistry.register`."""
        check_name(name)
        fields: dict[str, Any] = {
            "created": documents.now(),
            "description": check_text(description, "the description"),
            "metrics": check_metrics(metrics),
            "parameters": check_document(parameters, "parameter"),
            "tags": check_texts(tags, "tag"),
            "properties": check_texts(properties, "property"),
            "lineage": lineage or Lineage(),
        }
        collect(artifact, self.store.root)  # refuse bad input before anything is made
        self.store.make()
        folder = self._folder(name)
        with disk.guarded(f"register {name!r}"):
            self.store.folder(folder.versions.folder)
            with Writer(self.store) as writer:
                taken, staged = content.take(self.store, writer, artifact)
                with self.store.publishing():
                    content.place(self.store, staged, sync=False)
                    number = folder.versions.append(
                        writer,
                        lambda number: version_document(name, number, taken, fields),
                        check=lambda number: _check_spelling(folder, number),
                        needs=self.store.blobs,
                        lock=folder.lock,
                    )
        return ModelVersion(name=name, version=number, digest=taken.digest, size=taken.size, **fields)

    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        who: str,
        why: str,
        expect: int | EllipsisType | None = ...,
    ) -> AliasMove:
        """Append to the promotion log; see :meth:`registry.models.ModelRegistry.set_alias`."""
        check_alias(alias)
        check_text(who, "who", limit=1000)
        check_text(why, "why", limit=10_000)
        with self._changing(name, f"move alias {alias!r} of {name!r}") as folder:
            if version is not None:
                folder.version(check_version(version))
            before = folder.last_move(alias)
            current = before.to_version if before else None
            if not isinstance(expect, EllipsisType) and expect != current:
                raise _moved(name, alias, before, expect)
            if version is None and current is None:
                raise NotFound(f"model {name!r} has no alias {alias!r}")
            log = folder.alias_log(alias)
            self.store.folder(log.folder)
            folder.versions.sync()  # what an entry names must be at least as durable as the entry
            move = AliasMove(
                name=folder.name,
                alias=alias,
                sequence=before.sequence + 1 if before else 1,
                when=moment_after(before),
                from_version=current,
                to_version=version,
                who=who,
                why=why,
            )
            with Writer(self.store) as writer:
                log.append(writer, lambda number: move_document(replace(move, sequence=number)))
            return move

    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        """Merge tags; see :meth:`registry.models.ModelRegistry.set_tags`."""
        check_version(version)
        check_texts({key: "" if value is None else value for key, value in tags.items()}, "tag")
        with self._changing(name, f"change the tags of {name}:{version}") as folder:
            found = folder.version(version)
            kept = {key: value for key, value in {**found.tags, **tags}.items() if value is not None}
            folder.versions.sync()
            self._write_state(folder, version, state_document(name, version, tags=kept))
            return folder.with_aliases(folder.version(version))

    def delete(self, name: str, version: int) -> None:
        """Delete a version; see :meth:`registry.models.ModelRegistry.delete`. Content goes with the next ``gc``."""
        check_version(version)
        with self._changing(name, f"delete {name}:{version}") as folder:
            try:
                folder.version(version)
            except (Corrupt, NewerSchema):
                pass  # what cannot be read can still be deleted
            for alias in folder.alias_names():
                move = folder.last_move(alias)
                if move and move.to_version == version:
                    raise InUse(
                        f"{name}:{version} cannot be deleted: alias {alias!r} names it",
                        hint=f"move the alias first: mlops models alias {name} {alias} VERSION",
                    )
                # A move away from this version must be at least as durable as its deletion.
                folder.alias_log(alias).sync()
            folder.versions.sync()
            self._write_state(folder, version, state_document(name, version, deleted=documents.now()))

    # ---- reading ------------------------------------------------------------------------------------------------
    def get(self, name: str, version: int) -> ModelVersion:
        """Read one version; see :meth:`registry.models.ModelRegistry.get`."""
        folder = self._folder(name)
        return folder.with_aliases(folder.version(check_version(version)))

    def latest(self, name: str) -> ModelVersion:
        """Read the highest version; see :meth:`registry.models.ModelRegistry.latest`."""
        folder = self._folder(name)
        for number in range(folder.versions.last(), 0, -1):
            if not folder.deleted(number):
                return folder.with_aliases(folder.version(number))
        raise _no_model(name)

    def versions(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[ModelVersion]:
        """List versions; unreadable ones are logged as warnings and skipped (``verify`` reports them)."""
        chosen = self.names() if name is None else [check_name(name)]
        return itertools.islice((found for each in chosen for found in self._newest_first(each, tags)), limit)

    def _newest_first(self, name: str, tags: Mapping[str, str | None] | None) -> Iterator[ModelVersion]:
        folder = self._folder(name)
        if name not in self._indexes:
            self._indexes[name] = Index(folder)
        named: dict[int, list[str]] = {}
        for alias, number in folder.aliases(logger.warning).items():
            named.setdefault(number, []).append(alias)
        for found in self._indexes[name].newest_first(tags):
            if isinstance(found, RegistryError):
                logger.warning("%s", found)
            elif found.version in named:
                yield replace(found, aliases=tuple(sorted(named[found.version])))
            else:
                yield found

    def names(self) -> list[str]:
        """Names of all models that have a version, sorted."""
        found = []
        for folder in self.folders():
            try:
                if any(not folder.deleted(number) for number in range(folder.versions.last(), 0, -1)):
                    found.append(folder.name)
            except RegistryError as error:
                logger.warning("%s", error)
        return sorted(found)

    def download(self, name: str, version: int, target: Path) -> Path:
        """Copy an artifact out, verified; see :meth:`registry.models.ModelRegistry.download`."""
        artifact = self.artifact(name, version)
        try:
            return content.give(self.store, artifact, target, f"{name}:{version}")
        except Corrupt:
            self._folder(name).version(version)  # deleted and collected meanwhile?
            raise

    def artifact(self, name: str, version: int) -> Artifact:
        """What the artifact of a version consists of. Raises as ``get``."""
        return self._folder(name).artifact(check_version(version))

    def alias(self, name: str, alias: str) -> int | None:
        """The version that an alias names; see :meth:`registry.models.ModelRegistry.alias`."""
        move = self._folder(name).last_move(check_alias(alias))
        return move.to_version if move else None

    def aliases(self, name: str) -> dict[str, int]:
        """All aliases that name a version now."""
        return self._folder(name).aliases()

    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        """The promotion log, oldest first."""
        folder = self._folder(name)
        chosen = folder.alias_names() if alias is None else [check_alias(alias)]
        moves = [move for each in chosen for move in folder.moves(each)]
        return sorted(moves, key=lambda move: (move.when, move.alias, move.sequence))

    # ---- upkeep -------------------------------------------------------------------------------------------------
    def verify(self, name: str | None = None) -> Verified:
        """Read every document and all content; see :meth:`registry.models.ModelRegistry.verify`."""
        return verify(self.store, self.folders() if name is None else [self._folder(name)])

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove leftovers; see :meth:`registry.models.ModelRegistry.collect`. Never those of a writer that lives."""
        return collect_leftovers(self.store, lambda errors: references(self.folders(), errors), dry_run=dry_run)

    def export(self, target: Path) -> int:
        """Write everything to a tar archive; see :meth:`registry.models.ModelRegistry.export`."""
        return export_models(self.store, self.folders(), target)

    def import_(self, source: Path) -> int:
        """Add everything in a tar archive; see :meth:`registry.models.ModelRegistry.import_`."""
        return import_models(self.store, self._folder, source)

    # ---- files --------------------------------------------------------------------------------------------------
    def folders(self) -> list[ModelFolder]:
        """The folders of all models, sorted; what else lies there is left alone."""
        if not self.store.open():
            return []
        try:
            found = sorted(os.listdir(self.store.documents))
        except FileNotFoundError:
            return []
        return [_spelled(ModelFolder(self.store, name)) for name in found if _is_folder(name)]

    def _folder(self, name: str) -> ModelFolder:
        self.store.open()
        if name not in self._folders:
            self._folders[name] = ModelFolder(self.store, check_name(name))
        return self._folders[name]

    @contextmanager
    def _changing(self, name: str, what: str) -> Iterator[ModelFolder]:
        """Hold the lock of a model that exists."""
        folder = self._folder(name)
        if not folder.versions.last():
            raise _no_model(name)
        with disk.guarded(what), disk.locked(folder.lock):
            yield folder

    def _write_state(self, folder: ModelFolder, version: int, document: dict[str, Any]) -> None:
        self.store.folder(folder.states)
        with Writer(self.store) as writer:
            writer.write(documents.encode(document))
            writer.replace(folder.state_path(version))


def _check_spelling(folder: ModelFolder, number: int) -> None:
    if number == 1:
        return
    try:
        spelled = folder.spelling()
    except RegistryError:
        return  # no version can be read: nothing to compare with
    if spelled and spelled != folder.name:
        raise InvalidName(f"{folder.name!r} differs from the model {spelled!r} only in case", hint=f"use {spelled}")


def _spelled(folder: ModelFolder) -> ModelFolder:
    """The same folder, with the name of its model as it was registered."""
    try:
        spelled = folder.spelling()
        return ModelFolder(folder.store, check_name(spelled)) if spelled else folder
    except RegistryError:
        return folder  # whoever reads it says what is wrong


def _moved(name: str, alias: str, last: AliasMove | None, expect: int | None) -> AliasMoved:
    winner = last.to_version if last else None
    text = f"alias {alias!r} of {name!r} names {_version(winner)} now, not {_version(expect)}"
    if last:
        text += f": moved by {last.who} at {documents.write_time(last.when)} ({last.why})"
    return AliasMoved(text, winner=winner, hint=f"look at 'mlops models history {name}' and try again")


def _version(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _no_model(name: str) -> NotFound:
    return NotFound(f"there is no model {name!r}", hint="mlops models list shows what there is")


def _is_folder(name: str) -> bool:
    try:
        return check_name(name) == name.lower()
    except InvalidName:
        return False
