"""Documents: readable JSON with a ``schema_version``, read with suspicion, brought up to date when they are older.

======  =====================================================================================================
schema  what changed
======  =====================================================================================================
1       the first
2       ``checksum``: SHA-256 of the document's bytes with 64 zeros in its place, so that no change goes unseen
======  =====================================================================================================
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from registry.errors import Corrupt, NewerSchema

SCHEMA = 2
"""The version of every document that this release writes."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: lambda document: document}
"""For each older version a function that brings a document to the next one."""

_NO_CHECKSUM = "0" * 64


def encode(document: dict[str, Any]) -> bytes:
    """A document as text that people read: one field a line, sorted."""
    whole = {**document, "checksum": _NO_CHECKSUM, "schema_version": SCHEMA}
    text = json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    data = text.encode()
    place = _place(data, _NO_CHECKSUM)
    return data[:place] + hashlib.sha256(data).hexdigest().encode() + data[place + 64 :]


def _place(data: bytes, checksum: str) -> int:
    """Where the checksum stands: a field of the outermost object, so after two spaces only."""
    return data.find(f'\n  "checksum": "{checksum}"'.encode()) + len('\n  "checksum": "')


def _is_intact(data: bytes, checksum: object) -> bool:
    if not isinstance(checksum, str) or len(checksum) != 64:
        return False
    place = _place(data, checksum)
    blank = data[:place] + _NO_CHECKSUM.encode() + data[place + 64 :]
    return data[place : place + 64] == checksum.encode() and hashlib.sha256(blank).hexdigest() == checksum


def decode(data: bytes, where: str) -> dict[str, Any]:
    """Read a document.

    Raises
    ------
    registry.errors.NewerSchema
        A newer release wrote it.
    registry.errors.Corrupt
        Empty, truncated, no JSON object, or no ``schema_version``.
    """
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        state = "is empty" if not data.strip(b"\0 \n") else f"is not valid JSON ({error})"
        raise Corrupt(f"{where} {state}", hint="restore it from a backup (mlops models import)") from None
    if not isinstance(document, dict):
        raise Corrupt(f"{where} is not a JSON object")
    schema = document.get("schema_version")
    if isinstance(schema, bool) or not isinstance(schema, int) or schema < 0:
        raise Corrupt(f"{where} has no schema_version")
    if schema > SCHEMA:
        raise NewerSchema(
            f"{where} has schema_version {schema}; this release reads up to {SCHEMA}",
            hint="use a newer release of this kit",
        )
    if schema >= 2 and not _is_intact(data, document.get("checksum")):
        raise Corrupt(
            f"{where} was changed after it was written: it does not match its checksum",
            hint="restore it from a backup (mlops models import)",
        )
    current: dict[str, Any] = document
    while schema < SCHEMA:
        if schema not in UPGRADES:
            raise Corrupt(f"{where} has schema_version {schema}, which no release wrote")
        current = UPGRADES[schema](current)
        schema += 1
    return current


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(timezone.utc)


def write_time(moment: datetime) -> str:
    """RFC 3339, UTC, microseconds: ``2026-01-31T12:00:00.000000Z``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Reader:
    """Takes fields out of a document and names what is wrong with them."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        self.document = document
        self.where = where

    def bad(self, key: str) -> Corrupt:
        """The error that `key` is missing or of the wrong kind."""
        return Corrupt(f"{self.where}: {key!r} is missing or not what it should be")

    def text(self, key: str, default: str | None = None) -> str:
        """A text field."""
        value = self.document.get(key, default)
        if not isinstance(value, str):
            raise self.bad(key)
        return value

    def optional_text(self, key: str) -> str | None:
        """A text field that may be missing or null."""
        return None if self.document.get(key) is None else self.text(key)

    def number(self, key: str) -> int:
        """A whole number from 0 on."""
        value = self.document.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.bad(key)
        return value

    def optional_number(self, key: str) -> int | None:
        """A whole number from 0 on, that may be missing or null."""
        return None if self.document.get(key) is None else self.number(key)

    def time(self, key: str) -> datetime:
        """A time."""
        try:
            value = datetime.fromisoformat(self.text(key).replace("Z", "+00:00"))
        except ValueError:
            raise self.bad(key) from None
        if value.tzinfo is None:
            raise self.bad(key)
        return value

    def texts(self, key: str) -> dict[str, str]:
        """An object of texts; empty if missing."""
        value = self.table(key)
        if not all(isinstance(item, str) for item in value.values()):
            raise self.bad(key)
        return value

    def table(self, key: str) -> dict[str, Any]:
        """An object; empty if missing."""
        value = self.document.get(key, {})
        if not isinstance(value, dict):
            raise self.bad(key)
        return value

    def numbers(self, key: str) -> dict[str, float]:
        """An object of numbers; empty if missing."""
        value = self.table(key)
        for item in value.values():
            if isinstance(item, bool) or not isinstance(item, (int, float)):
                raise self.bad(key)
        return {name: float(item) for name, item in value.items()}
