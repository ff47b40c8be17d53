"""Versions of one model kept in memory, for lists and for filters by tag.

The index can be thrown away: it is made from the files and brought up to date at each use. New versions are found by
their numbers; changed tags and deletions by the modification time of the folder ``state/``. That time is trusted only
once it is older than any file system's clock tick, since two changes within one tick leave the same time behind.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping

from registry.errors import NotFound, RegistryError
from registry.files.layout import ModelFolder
from registry.files.tagfile import TagFile, Tags, add, match
from registry.models import ModelVersion

_TICK = 2_500_000_000
"""Nanoseconds; the coarsest tick in use is FAT's, of 2 seconds."""

_Stamp = tuple[int, int, int]


class Index:
    """Versions of one model.

    Parameters
    ----------
    folder : registry.files.layout.ModelFolder
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        self._guard = threading.Lock()
        self._now: dict[int, ModelVersion | None] = {}
        self._stamps: dict[int, _Stamp] = {}
        self._stamp: _Stamp | None = None
        self._made = TagFile(folder)
        self._changed: Tags = {}
        self._unfiled: set[int] = set()

    def newest_first(self, tags: Mapping[str, str | None] | None = None) -> Iterator[ModelVersion | RegistryError]:
        """Versions that are not deleted and have `tags`, newest first; errors of those that cannot be read."""
        with self._guard:
            last = self.folder.versions.last()
            self._refresh_states()
            numbers = range(last, 0, -1) if not tags else sorted(self._with_tags(tags, last), reverse=True)
        for number in numbers:
            with self._guard:
                found = self._load(number)
            if found is not None and (not tags or isinstance(found, RegistryError) or _has(found, tags)):
                yield found

    def _load(self, number: int) -> ModelVersion | RegistryError | None:
        """One version as it is now; ``None`` if it is deleted."""
        if number in self._now:
            return self._now[number]
        try:
            found = self.folder.read(number, self.folder.state(number) if number in self._stamps else None)[0]
        except NotFound:
            self._now[number] = None
            return None
        except RegistryError as error:
            return error
        self._now[number] = found
        return found

    def _refresh_states(self) -> None:
        """Read again what changed in ``state/``."""
        began = time.time_ns()
        try:
            info = self.folder.states.stat()
        except FileNotFoundError:
            self._forget(list(self._stamps))
            return
        stamp = (info.st_ino, info.st_mtime_ns, info.st_nlink)
        if stamp == self._stamp:
            return
        found: dict[int, _Stamp] = {}
        with os.scandir(self.folder.states) as entries:
            for entry in entries:
                number, dot, rest = entry.name.partition(".")
                if dot and rest == "json" and number.isdecimal():
                    details = entry.stat(follow_symlinks=False)
                    found[int(number)] = (details.st_ino, details.st_mtime_ns, details.st_size)
        changed = [
            number for number, each in found.items() if self._stamps.get(number) != each or began - each[1] <= _TICK
        ]
        self._forget([*changed, *(self._stamps.keys() - found.keys())])
        self._stamps = found
        self._stamp = stamp if began - info.st_mtime_ns > _TICK else None

    def _forget(self, numbers: list[int]) -> None:
        for number in numbers:
            self._stamps.pop(number, None)
            version = self._now.pop(number, None)
            if version is not None:
                for key, value in version.tags.items():
                    self._changed.get(key, {}).get(value, set()).discard(number)
            self._unfiled.add(number)

    def _with_tags(self, tags: Mapping[str, str | None], last: int) -> set[int]:
        """Numbers that have all of `tags`, and those that cannot be read."""
        self._made.refresh(last)
        unreadable = set()
        for number in self._unfiled & self._stamps.keys():
            version = self._load(number)
            if isinstance(version, RegistryError):
                unreadable.add(number)
            elif version is not None:
                add(self._changed, number, version.tags)
        self._unfiled = unreadable
        made = match(self._made.tags, tags) - self._stamps.keys()
        return made | match(self._changed, tags) | unreadable | self._made.unreadable


def _has(version: ModelVersion, tags: Mapping[str, str | None]) -> bool:
    return all(key in version.tags and value in (None, version.tags[key]) for key, value in tags.items())
