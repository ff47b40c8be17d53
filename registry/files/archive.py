"""Read a tar archive from an unknown source: regular files with plain names, each once, and nothing else.

:mod:`tarfile` follows links, sparse maps and extended headers of any length. Here the headers are read directly, so
that what is not wanted is refused before anything is done with it. An archive that is not compressed cannot be a bomb:
what comes out is never more than what is in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from registry.errors import Corrupt, InvalidName, NotFound
from registry.names import check_path

_BLOCK = 512
_LONGEST_HEADER = 1 << 14
MAX_DOCUMENT = 1 << 26


def entries(source: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    """Names, sizes and streams of the files in an archive. A stream is good until the next step.

    Raises
    ------
    registry.errors.NotFound
        There is no file at `source`.
    registry.errors.Corrupt
        No tar archive, truncated, or it holds links, devices, sparse files, absolute or outside paths, or a name twice.
    """
    try:
        file = source.open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise NotFound(f"there is no file {source}") from None
    with file:
        length = file.seek(0, io.SEEK_END)
        position, seen, long_name = 0, set(), None
        while position + _BLOCK <= length:
            file.seek(position)
            header = file.read(_BLOCK)
            if not any(header):
                return
            name, size, kind = _header(header, source)
            if position + _BLOCK + size > length:
                raise Corrupt(f"{source} is truncated in {name!r}")
            if kind == b"x":
                if size > _LONGEST_HEADER:
                    raise Corrupt(f"{source} has an extended header of {size} bytes")
                long_name = _long_name(file.read(size), source)
            elif kind in (b"0", b"\0"):
                name, long_name = long_name or name, None
                try:
                    check_path(name, "archive")
                except InvalidName as error:
                    raise Corrupt(f"{source}: {error}") from None
                if name in seen:
                    raise Corrupt(f"{source} holds {name!r} twice")
                seen.add(name)
                yield name, size, file
            else:
                raise Corrupt(f"{source}: {name!r} is a link, a device or a sparse file")
            position += _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        raise Corrupt(f"{source} is truncated, or no tar archive (it must not be compressed)")


def text(stream: BinaryIO, size: int, name: str) -> bytes:
    """A document out of an archive. Raises ``Corrupt`` if it is too large."""
    if size > MAX_DOCUMENT:
        raise Corrupt(f"{name} has {size} bytes; a document has at most {MAX_DOCUMENT}")
    return stream.read(size)


def _header(header: bytes, source: Path) -> tuple[str, int, bytes]:
    try:
        total = int(header[148:156].strip(b"\0 "), 8)
        size = int(header[124:136].strip(b"\0 "), 8)
        name = header[:100].split(b"\0", 1)[0].decode()
        if header[257:262] == b"ustar" and (prefix := header[345:500].split(b"\0", 1)[0].decode()):
            name = f"{prefix}/{name}"
    except ValueError:
        raise Corrupt(f"{source} is no tar archive (it must not be compressed)") from None
    if sum(header[:148]) + sum(header[156:]) + 8 * ord(" ") != total or size < 0:
        raise Corrupt(f"{source} is damaged: a header does not match its checksum")
    return name, size, header[156:157]


def _long_name(records: bytes, source: Path) -> str | None:
    """The path out of a POSIX extended header; other records mean that somebody else wrote the archive."""
    found = None
    while records:
        try:
            length, _, _ = records.partition(b" ")
            record, records = records[: int(length)], records[int(length) :]
            key, equals, value = record[len(length) + 1 : -1].partition(b"=")
            if not equals or not record.endswith(b"\n") or key != b"path":
                raise ValueError(key)
            found = value.decode()
        except ValueError:
            raise Corrupt(f"{source} has an extended header that an export never has") from None
    return found
