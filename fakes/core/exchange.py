"""An exported state as a stream of JSON: content goes from its file to the stream and back, a piece at a time.

What is kept in files (blobs) is base64 text in the document. It is the greater part of a large state, and one blob may
be larger than the memory, so neither side holds it as a whole; all the rest is held.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

from fakes.core.content import CHUNK, Content, Source, Spool
from fakes.core.records import BYTES, KIND

_PIECE = 64 * 1024
# The beginning of content in the text. Within a string its quotation marks would have backslashes before them.
_CONTENT = re.compile(rb'"%s":\s*"%s",\s*"value":\s*"$' % (re.escape(KIND).encode(), BYTES.encode()))
_QUOTE, _END = re.compile(rb'"'), re.compile(rb'["\\]')


def pieces(document: Any) -> Iterator[bytes]:
    """Return a document, with the content in it, as pieces of JSON."""
    held: list[Content] = []
    name = secrets.token_hex(16)

    def default(value: Any) -> Any:
        if not isinstance(value, Content):
            raise TypeError(f"{type(value).__name__} cannot be exported")
        held.append(value)
        return {KIND: BYTES, "value": f"{name}{len(held) - 1}"}

    marked = re.compile(rf'"{name}(\d+)"')
    waiting: list[str] = []
    size = 0
    # Lazy, so what is held grows as the text goes out.
    for text in json.JSONEncoder(default=default).iterencode(document):
        found = marked.search(text)
        if found is None:
            waiting.append(text)
            size += len(text)
            if size > _PIECE:
                yield "".join(waiting).encode()
                waiting, size = [], 0
            continue
        yield "".join([*waiting, text[: found.start()], '"']).encode()
        yield from _base64(held[int(found[1])])
        waiting, size = ['"' + text[found.end() :]], 0
    yield "".join(waiting).encode()


def _base64(content: Content) -> Iterator[bytes]:
    rest = b""
    for chunk in content.chunks():
        data = rest + chunk
        whole = len(data) // 3 * 3
        yield base64.b64encode(data[:whole])
        rest = data[whole:]
    yield base64.b64encode(rest)


def read(source: Source, spool: Spool) -> tuple[Any, list[Content]]:
    """Return a document and the content that was in it: each ``value`` of bytes is an index of the list.

    Raises
    ------
    ValueError
        This is no JSON, or content in it is not base64.
    """
    text, found, reader = bytearray(), [], _Reader(source)
    while True:
        part = reader.through(_QUOTE)
        text += part
        if not part.endswith(b'"'):
            break
        if _CONTENT.search(text, max(0, len(text) - 64)):
            coded = _Coded(reader)
            found.append(spool.take(coded))
            text += b'%d"' % (len(found) - 1)
        else:
            text += reader.string()
    try:
        return json.loads(text), found
    except RecursionError as error:
        raise ValueError("the exported state is nested too deeply") from error


class _Reader:
    """Reads up to a character."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left, self._at = b"", 0

    def part(self, stop: re.Pattern[bytes], size: int = CHUNK) -> tuple[bytes, bool]:
        """Return at most `size` bytes, through the next match of `stop`; tell whether they end with it."""
        if self._at == len(self._left):
            self._left, self._at = self._source.read(CHUNK), 0
        match = stop.search(self._left, self._at, self._at + size)
        begin, self._at = self._at, match.end() if match else min(self._at + size, len(self._left))
        return self._left[begin : self._at], match is not None

    def through(self, stop: re.Pattern[bytes]) -> bytes:
        """Return what comes through the next match of `stop`; all there is when there is none."""
        parts = []
        while (part := self.part(stop))[0]:
            parts.append(part[0])
            if part[1]:
                break
        return b"".join(parts)

    def string(self) -> bytes:
        """Return the rest of a JSON string whose first quotation mark was read."""
        parts = []
        while part := self.through(_END):
            parts.append(part)
            if not part.endswith(b"\\"):
                break
            parts.append(self.part(_QUOTE, 1)[0])  # what a backslash stands before is no end
        return b"".join(parts)


class _Coded:
    """The bytes of a base64 string: a source that ends with its quotation mark."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self._rest, self._ended = b"", False

    def read(self, size: int = -1, /) -> bytes:
        """Return some of them, b"" at the end."""
        while not self._ended:
            data, self._ended = self._reader.part(_QUOTE)
            if not data:
                raise ValueError("the exported state ends in the middle of content")
            text = self._rest + (data[:-1] if self._ended else data)
            whole = len(text) if self._ended else len(text) // 4 * 4
            self._rest = text[whole:]
            try:
                decoded = base64.b64decode(text[:whole], validate=True)
            except binascii.Error as error:
                raise ValueError(f"content in the exported state is not base64: {error}") from error
            if decoded:
                return decoded
        return b""


class Joined:
    """A source over chunks that come one after the other."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = chunk
        size = len(self._left) if size < 0 else size
        found, self._left = self._left[:size], self._left[size:]
        return found
