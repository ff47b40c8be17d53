"""Where the documents of models are, and how one is read.

::

    models/<name>/versions/<n>.json         a version: made once, never changed
    models/<name>/state/<n>.json            its tags now, or that it is deleted: replaced in one step
    models/<name>/aliases/<alias>/<n>.json  the promotion log: an alias is what its last entry says
    models/<name>/.tags                     an index that can be thrown away (:mod:`registry.files.tagfile`)
    models/<name>/lock                      held while a number is taken, tags change, one is deleted, an alias moves

``<name>`` is in lower case, because some file systems take names that differ only in case for one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from registry.artifacts import Artifact
from registry.errors import Corrupt, NotFound, RegistryError
from registry.files import disk, documents
from registry.files.log import NumberedLog
from registry.files.store import Store
from registry.files.versions import read_move, read_state, read_version
from registry.models import AliasMove, ModelVersion
from registry.names import is_alias

State = tuple["datetime | None", dict[str, str]]


class ModelFolder:
    """The documents of one model.

    Parameters
    ----------
    store : registry.files.store.Store
    name : str
        The model, checked already.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self.store = store
        self.path = store.documents / name.lower()
        self.lock = self.path / "lock"
        self.states = self.path / "state"
        self.versions = NumberedLog(self.path / "versions")
        self._aliases = str(self.path / "aliases")
        self._states = f"{self.states}{os.sep}"
        self._logs: dict[str, NumberedLog] = {}
        self._moves: dict[str, AliasMove] = {}
        self._spelling: str | None = None

    def version(self, number: int) -> ModelVersion:
        """One version with its tags now, without its aliases. Raises ``NotFound``, ``Corrupt``, ``NewerSchema``."""
        return self.read(number, self.state(number))[0]

    def read(self, number: int, state: State | None) -> tuple[ModelVersion, Artifact]:
        """A version in the given state, and its artifact. Raises as :meth:`version`."""
        if state and state[0]:
            raise self.no_version(number, state[0])  # asked first: what cannot be read can be deleted
        made, artifact = read_version(self.document(number), self.name, number)
        return (replace(made, tags=state[1]) if state else made), artifact

    def artifact(self, number: int) -> Artifact:
        """What the artifact of a version consists of. Raises as :meth:`version`."""
        return self.read(number, self.state(number))[1]

    def document(self, number: int) -> documents.Reader:
        """The document of a version. Raises ``NotFound``, ``Corrupt``, ``NewerSchema``."""
        try:
            reader = documents.Reader(self.versions.read(number), str(self.versions.path(number)))
        except FileNotFoundError:
            if self.versions.last() > number:
                raise Corrupt(
                    f"{self.versions.path(number)} is missing, and numbers are never left out",
                    hint="restore it from a backup (mlops models import)",
                ) from None
            raise self.no_version(number) from None
        spelled = reader.text("name")
        if spelled != self.name and spelled.lower() == self.name.lower():
            raise NotFound(f"there is no model {self.name!r}; there is {spelled!r}")
        return reader

    def state_path(self, number: int) -> Path:
        """Where the state of a version is, once it has changed."""
        return self.states / f"{number}.json"

    def state(self, number: int) -> State | None:
        """When a version was deleted (``None``: it is not) and its tags; ``None`` if nothing changed since."""
        path = f"{self._states}{number}.json"
        try:
            data = disk.read_file(path)
        except FileNotFoundError:
            return None
        return read_state(documents.Reader(documents.decode(data, path), path), self.name, number)

    def deleted(self, number: int) -> bool:
        """Whether a version is deleted. Raises ``Corrupt``, ``NewerSchema``."""
        state = self.state(number)
        return state is not None and state[0] is not None

    def alias_names(self) -> list[str]:
        """All aliases that ever were, sorted."""
        try:
            found = os.listdir(self._aliases)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(filter(is_alias, found))

    def alias_log(self, alias: str) -> NumberedLog:
        """The promotion log of an alias."""
        if alias not in self._logs:
            self._logs[alias] = NumberedLog(Path(self._aliases) / alias)
        return self._logs[alias]

    def last_move(self, alias: str) -> AliasMove | None:
        """The last entry of the promotion log of an alias."""
        number = self.alias_log(alias).last()
        if not number:
            return None
        known = self._moves.get(alias)
        if known is None or known.sequence != number:
            known = self._moves[alias] = self.move(alias, number)
        return known

    def move(self, alias: str, number: int) -> AliasMove:
        """One entry of a promotion log. Raises ``Corrupt``, ``NewerSchema``."""
        log = self.alias_log(alias)
        where = str(log.path(number))
        try:
            return read_move(documents.Reader(log.read(number), where), self.name, alias, number)
        except FileNotFoundError:
            raise Corrupt(f"{where} is missing", hint="restore it from a backup (mlops models import)") from None

    def aliases(self, warn: Callable[[str, object], None] | None = None) -> dict[str, int]:
        """All aliases that name a version now. An unreadable log is an error, or given to `warn` and left out."""
        found = {}
        for alias in self.alias_names():
            try:
                move = self.last_move(alias)
            except RegistryError as error:
                if warn is None:
                    raise
                warn("%s", error)
                continue
            if move and move.to_version is not None:
                found[alias] = move.to_version
        return found

    def with_aliases(self, version: ModelVersion) -> ModelVersion:
        """A version with the aliases that name it now."""
        named = sorted(alias for alias, number in self.aliases().items() if number == version.version)
        return replace(version, aliases=tuple(named)) if named else version

    def moves(self, alias: str) -> list[AliasMove]:
        """The promotion log of an alias, oldest first. Raises ``Corrupt`` if an entry is missing."""
        return [self.move(alias, number) for number in range(1, self.alias_log(alias).last() + 1)]

    def spelling(self) -> str | None:
        """The name as it was first registered; ``None`` if there is no version.

        Raises ``Corrupt`` or ``NewerSchema`` if no version can be read.
        """
        if self._spelling and self.versions.has(1):
            return self._spelling
        unreadable: RegistryError | None = None
        for number in range(1, self.versions.last() + 1):
            try:
                name = documents.Reader(self.versions.read(number), str(self.versions.path(number))).text("name")
            except FileNotFoundError:
                continue
            except RegistryError as error:
                unreadable = error
                continue
            if name.lower() == self.name.lower():
                self._spelling = name
                return name
        if unreadable:
            raise unreadable
        return None

    def no_version(self, number: int, deleted: datetime | None = None) -> NotFound:
        """The error that a version is not there."""
        why = f"was deleted at {documents.write_time(deleted)}" if deleted else "is not there"
        return NotFound(f"{self.name}:{number} {why}", hint=f"mlops models list {self.name} shows what there is")
