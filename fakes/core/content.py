"""Bodies and blobs: a few bytes in memory, many in a file.

A model of gigabytes goes through the fake in blocks of some megabytes. Each block is written to a file as it arrives
and stays there, so the memory of the process does not grow with what is uploaded.
"""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from fakes.core.folders import new_folder
from fakes.core.warden import warden

CHUNK = 1024 * 1024


class Source(Protocol):
    """What content is taken from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""


class TooLarge(Exception):
    """There are more bytes than allowed."""


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child forgets no more than its copy
        path.unlink(missing_ok=True)


class Content:
    """Bytes that do not change. Those in a file are removed together with the last reference to this object.

    Attributes
    ----------
    size : int
        Number of bytes.
    """

    __slots__ = ("__weakref__", "_data", "_path", "size")

    def __init__(self, data: bytes = b"") -> None:
        self._data, self._path, self.size = data, Path(), len(data)

    @classmethod
    def _of_file(cls, path: Path, size: int) -> Content:
        made = cls()
        made._path, made.size = path, size
        # Not at exit: the whole folder goes then.
        weakref.finalize(made, _remove, path, os.getpid()).atexit = False  # type: ignore[misc]
        return made

    def __len__(self) -> int:
        return self.size

    @property
    def in_memory(self) -> bool:
        """Whether it is held in memory."""
        return len(self._data) == self.size

    @property
    def data(self) -> bytes:
        """All of it, in memory."""
        return self._data if self.in_memory else self._path.read_bytes()

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        return next(self.chunks(0, min(size, self.size), size), b"")

    def chunks(self, start: int = 0, stop: int | None = None, size: int = CHUNK) -> Iterator[bytes]:
        """Return the bytes from `start` to before `stop`, at most `size` at a time."""
        stop = self.size if stop is None else min(stop, self.size)
        if self.in_memory:
            for at in range(start, stop, size):
                yield self._data[at : min(at + size, stop)]
            return
        with self._path.open("rb", buffering=0) as file:
            file.seek(start)
            while start < stop and (chunk := file.read(min(size, stop - start))):
                start += len(chunk)
                yield chunk


def pieces(contents: Iterable[Content], start: int, stop: int) -> Iterator[bytes]:
    """Return the bytes from `start` to before `stop` of contents that follow each other."""
    for content in contents:
        if stop <= 0:
            return
        if start < content.size:
            yield from content.chunks(max(start, 0), stop)
        start, stop = start - content.size, stop - content.size


def save(contents: Iterable[Content], path: Path) -> None:
    """Write contents that follow each other to a file."""
    with path.open("wb") as file:
        for content in contents:
            for chunk in content.chunks():
                file.write(chunk)


class Spool:
    """The files of one state. Gone when it is closed.

    Parameters
    ----------
    memory
        Content of at most this many bytes stays in memory.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._number = 0

    def keep(self, data: bytes | Content) -> Content:
        """Return `data` as content."""
        if isinstance(data, Content):
            return data
        if len(data) <= self._memory:
            return Content(data)
        path = self._new_file()
        path.write_bytes(data)
        return Content._of_file(path, len(data))

    def copy(self, file: Path) -> Content:
        """Return a copy of a file as content."""
        with file.open("rb") as source:
            return self.take(source)

    def take(self, source: Source, most: int | None = None) -> Content:
        """Read `source` to its end.

        Raises
        ------
        TooLarge
            It has more than `most` bytes.
        """
        held, size = [], 0
        while size <= self._memory and (chunk := source.read(CHUNK)):
            held.append(chunk)
            size += len(chunk)
            _limit(size, most)
        data = b"".join(held)
        if size <= self._memory:
            return Content(data)
        path = self._new_file()
        try:
            with path.open("wb", buffering=0) as file:
                file.write(data)
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    _limit(size, most)
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Content._of_file(path, size)

    def close(self) -> None:
        """Remove every file."""
        with self._lock:
            folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
            warden.forget(folder)

    def _new_file(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = new_folder("bodies")
                warden.watch(self._folder)
            self._number += 1
            return self._folder / str(self._number)


def _limit(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise TooLarge(size)
