"""Model versions as files.

::

    models/<name>/versions/<n>.json         a version: made once, never changed
    models/<name>/state/<n>.json            its tags now, or that it is deleted: replaced in one step
    models/<name>/aliases/<alias>/<n>.json  the promotion log: an alias is what its last entry says
    models/<name>/lock                      held while an alias moves, tags change, or a version is deleted

``<name>`` is in lower case, because some file systems take names that differ only in case for one.
"""

from __future__ import annotations

import getpass
import itertools
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry.artifacts import Artifact, collect
from registry.errors import AliasMoved, Corrupt, InUse, InvalidName, NewerSchema, NotFound, RegistryError
from registry.files import content, disk, documents
from registry.files.log import NumberedLog
from registry.files.store import Store, Writer
from registry.files.versions import read_move, read_state, read_version, state_document, version_document
from registry.models import AliasMove, Lineage, ModelRegistry, ModelVersion
from registry.names import (
    check_alias,
    check_document,
    check_metrics,
    check_name,
    check_text,
    check_texts,
    check_version,
    is_alias,
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
        log = self._versions(name)
        with disk.guarded(f"register {name!r}"):
            self.store.folder(log.folder)
            with Writer(self.store) as writer:
                taken, staged = content.take(self.store, writer, artifact)
                with self.store.publishing():
                    content.place(self.store, staged)
                    number = log.append(
                        writer,
                        lambda number: version_document(name, number, taken, fields),
                        check=lambda number: self._check_spelling(name, log),
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
        with self._changing(name, f"move alias {alias!r} of {name!r}"):
            if version is not None:
                self._load(name, version)
            log = self._alias_log(name, alias)
            last = log.last()
            before = self._move(name, alias, last) if last else None
            current = before.to_version if before else None
            if not isinstance(expect, EllipsisType) and expect != current:
                raise AliasMoved(
                    f"alias {alias!r} of {name!r} names {_version(current)} now, not {_version(expect)}"
                    + (
                        f": moved by {before.who} at {documents.write_time(before.when)} ({before.why})"
                        if before
                        else ""
                    ),
                    winner=current,
                    hint=f"look at 'mlops models history {name}' and try again",
                )
            if version is None and current is None:
                raise NotFound(f"model {name!r} has no alias {alias!r}")
            self.store.folder(log.folder)
            self._versions(name).sync()  # what an entry names must be at least as durable as the entry
            when = max(documents.now(), before.when) if before else documents.now()
            move = AliasMove(name, alias, last + 1, when, current, version, who, why)
            with Writer(self.store) as writer:
                log.append(writer, lambda number: _move_document(replace(move, sequence=number)))
            return move

    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        """Merge tags; see :meth:`registry.models.ModelRegistry.set_tags`."""
        check_texts({key: "" if value is None else value for key, value in tags.items()}, "tag")
        with self._changing(name, f"change the tags of {name}:{version}"):
            found = self._load(name, version)
            merged = {**found.tags, **tags}
            kept = {key: value for key, value in merged.items() if value is not None}
            self._write_state(name, version, state_document(name, version, tags=kept))
        return replace(found, tags=kept, aliases=self._named_by(name, version))

    def delete(self, name: str, version: int) -> None:
        """Delete a version; see :meth:`registry.models.ModelRegistry.delete`. Its content goes with the next ``gc``."""
        check_version(version)
        with self._changing(name, f"delete {name}:{version}"):
            try:
                self._load(name, version)
            except (Corrupt, NewerSchema):
                pass  # what cannot be read can still be deleted
            for alias in self._alias_names(name):
                log = self._alias_log(name, alias)
                if self.alias(name, alias) == version:
                    raise InUse(
                        f"{name}:{version} cannot be deleted: alias {alias!r} names it",
                        hint=f"move the alias first: mlops models alias {name} {alias} VERSION",
                    )
                log.sync()  # a move away from this version must be at least as durable as its deletion
            self._write_state(name, version, state_document(name, version, deleted=documents.now()))

    # ---- reading ------------------------------------------------------------------------------------------------
    def get(self, name: str, version: int) -> ModelVersion:
        """Read one version; see :meth:`registry.models.ModelRegistry.get`."""
        check_name(name)
        check_version(version)
        return replace(self._load(name, version), aliases=self._named_by(name, version))

    def latest(self, name: str) -> ModelVersion:
        """Read the highest version; see :meth:`registry.models.ModelRegistry.latest`."""
        check_name(name)
        self.store.open()
        for number in range(self._versions(name).last(), 0, -1):
            if not self._deleted(name, number):
                return self.get(name, number)
        raise NotFound(f"there is no model {name!r}", hint="mlops models list shows what there is")

    def versions(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[ModelVersion]:
        """List versions; unreadable ones are logged as warnings and skipped (``verify`` reports them)."""
        if name is not None:
            check_name(name)
        chosen = self.names() if name is None else [name]
        found = (version for model in chosen for version in self._newest_first(model) if _has_tags(version, tags))
        return itertools.islice(found, limit)

    def _newest_first(self, name: str) -> Iterator[ModelVersion]:
        self.store.open()
        named: dict[int, list[str]] = {}
        for alias, number in self.aliases(name).items():
            named.setdefault(number, []).append(alias)
        for number in reversed(self._versions(name).numbers()):
            try:
                version = self._load(name, number)
            except NotFound:
                continue
            except RegistryError as error:
                logger.warning("%s", error)
                continue
            yield replace(version, aliases=tuple(sorted(named.get(number, ()))))

    def names(self) -> list[str]:
        """Names of all models that have a version, sorted."""
        if not self.store.open():
            return []
        found = []
        for folder in sorted(os.listdir(self.store.documents)) if self.store.documents.is_dir() else ():
            try:
                found.extend(self._spelling(folder))
            except RegistryError as error:
                logger.warning("%s", error)
        return sorted(found)

    def download(self, name: str, version: int, target: Path) -> Path:
        """Copy an artifact out, verified; see :meth:`registry.models.ModelRegistry.download`."""
        check_name(name)
        check_version(version)
        artifact = self.artifact(name, version)
        try:
            return content.give(self.store, artifact, target, f"{name}:{version}")
        except Corrupt:
            self._load(name, version)  # deleted and collected meanwhile?
            raise

    def artifact(self, name: str, version: int) -> Artifact:
        """What the artifact of a version consists of. Raises as ``get``."""
        self._load(name, version)
        return read_version(self._read(self._versions(name), name, version), name, version)[1]

    def alias(self, name: str, alias: str) -> int | None:
        """The version that an alias names; see :meth:`registry.models.ModelRegistry.alias`."""
        check_name(name)
        check_alias(alias)
        self.store.open()
        last = self._alias_log(name, alias).last()
        return self._move(name, alias, last).to_version if last else None

    def aliases(self, name: str) -> dict[str, int]:
        """All aliases that name a version now."""
        check_name(name)
        self.store.open()
        found = {alias: self.alias(name, alias) for alias in self._alias_names(name)}
        return {alias: version for alias, version in found.items() if version is not None}

    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        """The promotion log, oldest first."""
        check_name(name)
        self.store.open()
        chosen = self._alias_names(name) if alias is None else [check_alias(alias)]
        moves = [self._move(name, each, number) for each in chosen for number in self._alias_log(name, each).numbers()]
        return sorted(moves, key=lambda move: (move.when, move.alias, move.sequence))

    # ---- files --------------------------------------------------------------------------------------------------
    def _folder(self, name: str) -> Path:
        return self.store.documents / name.lower()

    def _versions(self, name: str) -> NumberedLog:
        return NumberedLog(self._folder(name) / "versions")

    def _alias_log(self, name: str, alias: str) -> NumberedLog:
        return NumberedLog(self._folder(name) / "aliases" / alias)

    def _alias_names(self, name: str) -> list[str]:
        try:
            found = os.listdir(self._folder(name) / "aliases")
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(filter(is_alias, found))

    def _named_by(self, name: str, version: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, number in self.aliases(name).items() if number == version))

    def _state_path(self, name: str, version: int) -> Path:
        return self._folder(name) / "state" / f"{version}.json"

    @contextmanager
    def _changing(self, name: str, what: str) -> Iterator[None]:
        """Hold the lock of a model that exists."""
        check_name(name)
        if not self.store.open() or not self._versions(name).last():
            raise NotFound(f"there is no model {name!r}", hint="mlops models list shows what there is")
        with disk.guarded(what), disk.locked(self._folder(name) / "lock"):
            yield

    def _read(self, log: NumberedLog, name: str, version: int) -> documents.Reader:
        try:
            reader = documents.Reader(log.read(version), str(log.path(version)))
        except FileNotFoundError:
            raise _no_version(name, version) from None
        if (spelled := reader.text("name")) != name and spelled.lower() == name.lower():
            raise NotFound(f"there is no model {name!r}; there is {spelled!r}")
        return reader

    def _load(self, name: str, version: int) -> ModelVersion:
        """A version with its tags now, without its aliases."""
        self.store.open()
        check_version(version)
        reader = self._read(self._versions(name), name, version)
        found, _ = read_version(reader, name, version)
        state = self._state(name, version)
        if state is None:
            return found
        deleted, tags = state
        if deleted:
            raise _no_version(name, version, deleted)
        return replace(found, tags=tags)

    def _state(self, name: str, version: int) -> tuple[datetime | None, dict[str, str]] | None:
        path = self._state_path(name, version)
        try:
            data = disk.read_file(path)
        except FileNotFoundError:
            return None
        return read_state(documents.Reader(documents.decode(data, str(path)), str(path)), name, version)

    def _deleted(self, name: str, version: int) -> bool:
        state = self._state(name, version)
        return state is not None and state[0] is not None

    def _write_state(self, name: str, version: int, document: dict[str, Any]) -> None:
        path = self._state_path(name, version)
        self.store.folder(path.parent)
        with Writer(self.store) as writer:
            writer.write(documents.encode(document))
            writer.replace(path)

    def _move(self, name: str, alias: str, number: int) -> AliasMove:
        log = self._alias_log(name, alias)
        where = str(log.path(number))
        return read_move(documents.Reader(log.read(number), where), name, alias, number)

    def _spelling(self, folder: str) -> list[str]:
        """The name of the model in a folder, as it was registered first; none if it has no readable version."""
        log = NumberedLog(self.store.documents / folder / "versions")
        unreadable: RegistryError | None = None
        for number in range(1, log.last() + 1):
            try:
                name = documents.Reader(log.read(number), str(log.path(number))).text("name")
            except FileNotFoundError:
                continue
            except RegistryError as error:
                unreadable = error
                continue
            if name.lower() == folder:
                return [name]
        if unreadable:
            raise unreadable
        return []

    def _check_spelling(self, name: str, log: NumberedLog) -> None:
        found = self._spelling(log.folder.parent.name) if log.last() else []
        if found and found[0] != name:
            raise InvalidName(
                f"{name!r} differs from the model {found[0]!r} only in case: some systems take them for one"
            )


def _move_document(move: AliasMove) -> dict[str, Any]:
    return {
        "name": move.name,
        "alias": move.alias,
        "sequence": move.sequence,
        "when": documents.write_time(move.when),
        "from_version": move.from_version,
        "to_version": move.to_version,
        "who": move.who,
        "why": move.why,
    }


def _has_tags(version: ModelVersion, tags: Mapping[str, str | None] | None) -> bool:
    missing = object()
    for key, wanted in (tags or {}).items():
        value = version.tags.get(key, missing)
        if value is missing or (wanted is not None and value != wanted):
            return False
    return True


def _version(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _no_version(name: str, version: int, deleted: datetime | None = None) -> NotFound:
    why = f"was deleted at {documents.write_time(deleted)}" if deleted else "is not there"
    return NotFound(f"{name}:{version} {why}", hint=f"mlops models list {name} shows what there is")


def whoami() -> str:
    """``user@host`` of this process, for the promotion log."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"uid {os.getuid()}@{socket.gethostname()}"
