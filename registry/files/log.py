"""A folder of numbered documents, ``1.json``, ``2.json`` ...: dense, each made once, never changed or removed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from registry.files import disk, documents
from registry.files.store import Writer

_ENTRY = re.compile(r"([1-9][0-9]{0,9})\.json\Z")
_HINT = ".last"


class NumberedLog:
    """Documents in the order of their numbers.

    The highest number is found without reading the folder: a hint file says where to begin, and from there on numbers
    are probed in growing strides. The hint may be wrong, stale or missing; it only costs time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prefix = f"{folder}{os.sep}"
        self._known = 0

    def path(self, number: int) -> Path:
        """Where entry `number` is, or would be."""
        return self.folder / f"{number}.json"

    def has(self, number: int) -> bool:
        """Whether entry `number` is there."""
        return os.path.lexists(f"{self._prefix}{number}.json")

    def last(self) -> int:
        """The highest number, 0 if there is none."""
        hint = self._known or self._read_hint()
        if not hint or not self.has(hint):
            hint = max(self.numbers(), default=0)
        top, stride = hint, 1
        while self.has(top + stride):
            top += stride
            stride *= 2
        while stride > 1:
            stride //= 2
            if self.has(top + stride):
                top += stride
        self._known = top
        return top

    def numbers(self) -> list[int]:
        """All numbers, read from the folder, ascending."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(found[1]) for found in map(_ENTRY.match, names) if found)

    def read(self, number: int) -> dict[str, Any]:
        """One document. Raises ``FileNotFoundError``, ``Corrupt``, ``NewerSchema``."""
        path = f"{self._prefix}{number}.json"
        return documents.decode(disk.read_file(path), path)

    def append(
        self,
        writer: Writer,
        document: Callable[[int], dict[str, Any]],
        *,
        check: Callable[[int], None] | None = None,
        needs: Path | None = None,
        lock: Path | None = None,
    ) -> int:
        """Publish ``document(number)`` under the next number and return that.

        Any number of processes may do this at once: who finds its number taken tries the next.

        Parameters
        ----------
        writer : registry.files.store.Writer
        document : callable
            Gives the document for a number.
        check : callable, optional
            Called with each number that is tried; an exception ends it.
        needs : pathlib.Path, optional
            A folder whose names must be durable before the document can be seen.
        lock : pathlib.Path, optional
            A lock file that is held from the choice of the number until the document has it. Numbers are dense without
            it too; with it, nobody writes and syncs a document for a number that another takes meanwhile.
        """
        ready = self.last() + 1
        writer.write(documents.encode(document(ready)))  # most of the waiting for the disk, beside others
        if needs:
            disk.sync_folder(needs)
        with disk.locked(lock) if lock else nullcontext():
            while True:
                number = self.last() + 1
                if check:
                    check(number)
                if number != ready:
                    writer.write(documents.encode(document(number)))
                    ready = number
                if writer.link(self.path(number)):
                    break
        disk.sync_folder(self.folder)
        self._known = number
        self._write_hint(number)
        return number

    def sync(self) -> None:
        """Make durable what another process published and may not have synced yet."""
        disk.sync_folder(self.folder)

    def _read_hint(self) -> int:
        try:
            fd = os.open(self._prefix + _HINT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            text = os.read(fd, 32).strip()
        except OSError:
            return 0
        finally:
            os.close(fd)
        return int(text) if text.isdigit() and len(text) <= 11 else 0

    def _write_hint(self, number: int) -> None:
        try:
            fd = os.open(self._prefix + _HINT, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError:
            return
        try:
            os.pwrite(fd, b"%011d\n" % number, 0)
        except OSError:
            pass
        finally:
            os.close(fd)
