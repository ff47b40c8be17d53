"""Values of Azure's expressions and how one kind is converted to another.

Source: "Type casting" in learn.microsoft.com/azure/devops/pipelines/process/expressions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rehearse.syntax import Version

_NUMBER = re.compile(r"\s*-?(\d{1,3}(,\d{3})+|\d*)(\.\d+)?\s*$")
_VERSION = re.compile(r"\d+(\.\d+){1,3}$")


class Inconvertible(Exception):
    """A value cannot be converted to the kind that was asked for."""


def to_boolean(value: Any) -> bool:
    """Null, false, zero and the empty string are false; everything else is true, the word ``false`` included."""
    if isinstance(value, (Version, Mapping, list)):
        return True
    return bool(value)


def to_text(value: Any) -> str:
    """As ``${{ }}`` and ``$[ ]`` print it; an array or object becomes the empty string."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if value is None or isinstance(value, (Mapping, list)):
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() else repr(value)
    return str(value)


def to_number(value: Any) -> int | float:
    """Booleans, null, numbers, and text that reads as a number; else :class:`Inconvertible`."""
    if value is None:
        return 0
    if isinstance(value, (bool, int, float)):
        return int(value) if isinstance(value, bool) else value
    if isinstance(value, str):
        if value == "":
            return 0
        if _NUMBER.match(value) and any(mark.isdigit() for mark in value):
            number = float(value.replace(",", ""))
            return int(number) if number.is_integer() else number
    raise Inconvertible(f"{value!r} is no number")


def to_version(value: Any) -> Version:
    """Versions, and text or numbers that read as one; else :class:`Inconvertible`."""
    if isinstance(value, Version):
        return value
    text = to_text(value)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool) and _VERSION.match(text):
        return Version(tuple(int(part) for part in text.split(".")))
    raise Inconvertible(f"{value!r} is no version")


def like(value: Any, other: Any) -> Any:
    """`value` converted to the kind that `other` has."""
    if isinstance(other, bool):
        return to_boolean(value)
    if isinstance(other, (int, float)):
        return to_number(value)
    if isinstance(other, Version):
        return to_version(value)
    if isinstance(other, str):
        return to_text(value)
    if other is None:
        if value is None or value == "":
            return None
        raise Inconvertible(f"{value!r} is not null")
    return value


def equal(left: Any, right: Any) -> bool:
    """Compare after converting `right` to the kind of `left`; text without regard to case."""
    try:
        right = like(right, left)
    except Inconvertible:
        return False
    if isinstance(left, str):
        return left.lower() == str(right).lower()
    return bool(left == right)


def compare(left: Any, right: Any) -> int:
    """-1, 0 or 1. Raises :class:`Inconvertible`."""
    right = like(right, left)
    if isinstance(left, str):
        left, right = left.lower(), right.lower()
    return int(left > right) - int(left < right)


def lookup(container: Any, key: Any) -> Any:
    """A member of an object (names without regard to case) or of an array; null when there is none."""
    if isinstance(container, Mapping):
        wanted = to_text(key)
        if wanted in container:
            return container[wanted]
        lowered = wanted.lower()
        return next((value for name, value in container.items() if str(name).lower() == lowered), None)
    if isinstance(container, list):
        try:
            index = to_number(key)
        except Inconvertible:
            return None
        return container[int(index)] if 0 <= index < len(container) else None
    return None
