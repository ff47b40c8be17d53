"""State as JSON: `record` marks the data classes of a service; `encode` and `decode` need nothing more."""

from __future__ import annotations

import base64
import dataclasses
import functools
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

from fakes.core.content import Content

T = TypeVar("T")

_KINDS: dict[str, type] = {}
KIND, BYTES = "$kind", "bytes"
"""How an export says what something is, and that it is bytes."""


@dataclass_transform()
def record(cls: type[T]) -> type[T]:
    """Make `cls` a data class that export and import know.

    Its name in an export is ``<service>.<class>``. Fields whose name starts with ``_`` are left out and must have a
    default. Only classes marked so can come out of an import.
    """
    made = dataclasses.dataclass(cls)
    _KINDS[_kind(made)] = made
    return made


def _kind(cls: type) -> str:
    parts = cls.__module__.split(".")
    return f"{parts[-2]}.{cls.__name__}"


def encode(value: Any, *, content: bool = False) -> Any:
    """Return `value` as JSON types; with `content` that is left as it is, for `fakes.core.exchange`."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return {KIND: _kind(type(value)), "value": value.value}
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return {KIND: "datetime", "value": value.isoformat()}
    if isinstance(value, Content):
        if content:
            return value
        value = value.data
    if isinstance(value, (bytes, bytearray)):
        return {KIND: BYTES, "value": base64.b64encode(value).decode()}
    inner = functools.partial(encode, content=content)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
        return {KIND: _kind(type(value)), **{name: inner(getattr(value, name)) for name in fields}}
    if isinstance(value, dict):
        if all(isinstance(key, str) and key != KIND for key in value):
            return {key: inner(item) for key, item in value.items()}
        return {KIND: "dict", "items": [[inner(key), inner(item)] for key, item in value.items()]}
    if isinstance(value, (tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return {KIND: "tuple" if isinstance(value, tuple) else "set", "items": [inner(item) for item in items]}
    if isinstance(value, list):
        return [inner(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be exported: mark its class with fakes.core.records.record")


def decode(document: Any, contents: Sequence[Content] | None = None) -> Any:
    """Return what `encode` was given.

    Parameters
    ----------
    contents
        When given, each ``value`` of bytes is an index of it (see `fakes.core.exchange`); content in a file stays that.

    Raises
    ------
    ValueError
        The document names a kind that no service declares, or is otherwise none of ours.
    """
    if isinstance(document, list):
        return [decode(item, contents) for item in document]
    if not isinstance(document, dict):
        return document
    kind = document.get(KIND)
    if kind is None:
        return {key: decode(item, contents) for key, item in document.items()}
    try:
        return _made(kind, document, contents)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"something of kind {kind!r} in the exported state is not complete: {error}") from error


def _made(kind: str, document: dict[str, Any], contents: Sequence[Content] | None) -> Any:
    inner = functools.partial(decode, contents=contents)
    if kind == "datetime":
        return datetime.fromisoformat(document["value"])
    if kind == BYTES:
        if contents is None:
            return base64.b64decode(document["value"])
        content = contents[int(document["value"])]
        return content.data if content.in_memory else content
    if kind == "tuple":
        return tuple(inner(item) for item in document["items"])
    if kind == "set":
        return {inner(item) for item in document["items"]}
    if kind == "dict":
        return {inner(key): inner(item) for key, item in document["items"]}
    cls = _KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown kind {kind!r} in the exported state; was it written by another version of the fake?")
    if issubclass(cls, Enum):
        return cls(document["value"])
    return cls(**{key: inner(item) for key, item in document.items() if key != KIND})
