"""State as JSON: `record` marks the data classes of a service; `encode` and `decode` need nothing more."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from typing_extensions import dataclass_transform

from fakes.core.content import Content

T = TypeVar("T")

_KINDS: dict[str, type] = {}
_TAG = "$kind"


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


def encode(value: Any) -> Any:
    """Return `value` as JSON types."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return {_TAG: _kind(type(value)), "value": value.value}
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return {_TAG: "datetime", "value": value.isoformat()}
    if isinstance(value, Content):
        value = value.data
    if isinstance(value, (bytes, bytearray)):
        return {_TAG: "bytes", "value": base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
        return {_TAG: _kind(type(value)), **{name: encode(getattr(value, name)) for name in fields}}
    if isinstance(value, dict):
        if all(isinstance(key, str) and key != _TAG for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {_TAG: "dict", "items": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, (tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return {_TAG: "tuple" if isinstance(value, tuple) else "set", "items": [encode(item) for item in items]}
    if isinstance(value, list):
        return [encode(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be exported: mark its class with fakes.core.records.record")


_SIMPLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "datetime": lambda document: datetime.fromisoformat(document["value"]),
    "bytes": lambda document: base64.b64decode(document["value"]),
    "tuple": lambda document: tuple(decode(item) for item in document["items"]),
    "set": lambda document: {decode(item) for item in document["items"]},
    "dict": lambda document: {decode(key): decode(item) for key, item in document["items"]},
}


def decode(document: Any) -> Any:
    """Return what `encode` was given.

    Raises
    ------
    ValueError
        The document names a kind that no service declares.
    """
    if isinstance(document, list):
        return [decode(item) for item in document]
    if not isinstance(document, dict):
        return document
    kind = document.get(_TAG)
    if kind is None:
        return {key: decode(item) for key, item in document.items()}
    if kind in _SIMPLE:
        return _SIMPLE[kind](document)
    cls = _KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown kind {kind!r} in the exported state; was it written by another version of the fake?")
    if issubclass(cls, Enum):
        return cls(document["value"])
    return cls(**{key: decode(item) for key, item in document.items() if key != _TAG})
