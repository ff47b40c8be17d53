"""Which versions of a model were made with which tags: kept in a file, so that a new process need not read them all.

Versions never change, so what is filed once stays right; only newer versions are read. The file ``.tags`` can be
thrown away at any time. It carries a checksum, and is made again if that does not hold. Tags that were changed later
are not in it: :mod:`registry.files.index` lays those over it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from registry.errors import RegistryError
from registry.files import disk, documents
from registry.files.layout import ModelFolder

Tags = dict[str, dict[str, set[int]]]
_BEHIND = 64
"""The file is written again when it lacks so many versions."""


class TagFile:
    """Numbers of versions by tag, as they were made."""

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        self.tags: Tags = {}
        self.unreadable: set[int] = set()
        self._through = 0
        self._saved = 0
        self._path = folder.path / ".tags"
        self._loaded = False

    def refresh(self, last: int) -> None:
        """File versions up to `last`."""
        if not self._loaded:
            self._load(last)
            self._loaded = True
        for number in [*sorted(self.unreadable), *range(self._through + 1, last + 1)]:
            try:
                tags = self.folder.document(number).texts("tags")
            except RegistryError:
                self.unreadable.add(number)
                continue
            self.unreadable.discard(number)
            add(self.tags, number, tags)
        self._through = max(self._through, last)
        if self._through - self._saved >= _BEHIND:
            self._save()

    def _load(self, last: int) -> None:
        try:
            reader = documents.Reader(documents.decode(disk.read_file(self._path), str(self._path)), str(self._path))
            through, tags = reader.number("through"), reader.table("tags")
            if through > last:
                return  # of another store
            found = {key: {value: set(numbers) for value, numbers in each.items()} for key, each in tags.items()}
            self.unreadable = set(reader.document["unreadable"])
        except (RegistryError, OSError, KeyError, TypeError, AttributeError):
            return
        self.tags, self._through, self._saved = found, through, through

    def _save(self) -> None:
        document: dict[str, Any] = {
            "through": self._through,
            "tags": {key: {value: sorted(n) for value, n in each.items()} for key, each in self.tags.items()},
            "unreadable": sorted(self.unreadable),
        }
        partial = self.folder.store.staging / f"{os.urandom(8).hex()}.1"
        try:
            partial.write_bytes(documents.encode(document))
            os.replace(partial, self._path)
        except OSError:
            return  # a read-only copy, or a full disk (the collector finds the rest): the next process reads more
        self._saved = self._through


def add(index: Tags, number: int, tags: Mapping[str, str]) -> None:
    """File a version under its tags."""
    for key, value in tags.items():
        index.setdefault(key, {}).setdefault(value, set()).add(number)


def match(index: Tags, tags: Mapping[str, str | None]) -> set[int]:
    """Numbers of versions that have all of `tags` (``None``: any value)."""
    chosen: set[int] | None = None
    for key, value in tags.items():
        values = index.get(key, {})
        found = set().union(*values.values()) if value is None else values.get(value, set())
        chosen = set(found) if chosen is None else chosen & found
    return chosen or set()
