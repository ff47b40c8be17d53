"""The part of OData's ``$filter`` and ``$orderby`` that run history understands.

The grammar is what the public SDK sends: comparisons joined by ``and`` and ``or``, in parentheses. Values come quoted
or bare (``RunId eq abc``, ``CreatedUtc ge 2026-01-02 10:00:00+00:00``), and keys of tags may hold anything but
parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

Predicate = Callable[[Mapping[str, Any]], bool]

_END = r"(?=\s*\)|\s+and\s|\s+or\s|\s*$)"
_COMPARISON = re.compile(
    rf"\s*(?P<path>[A-Za-z][^()\"]*?)\s+(?P<op>eq|ne|gt|ge|lt|le)\s+(?:\"(?P<quoted>.*?)\"|(?P<bare>[^()\"]*?)){_END}",
    re.IGNORECASE | re.DOTALL,
)
_JOIN = re.compile(r"\s*(and|or)\b", re.IGNORECASE)
_TIMES = {"createdutc", "starttimeutc", "endtimeutc"}


class FilterError(ValueError):
    """The text is no filter that this service understands."""


def compile_filter(text: str | None) -> Predicate:
    """Make a predicate over run or experiment documents (camelCase keys) from filter text.

    Raises
    ------
    FilterError
        The text cannot be parsed; the message holds the place.
    """
    if text is None or not text.strip():
        return lambda _: True
    predicate, end = _either(text, 0)
    if text[end:].strip():
        raise FilterError(f"cannot read the filter from character {end}: {text[end : end + 40]!r}")
    return predicate


def order(items: Iterable[dict[str, Any]], orderby: str | None) -> list[dict[str, Any]]:
    """Sort documents by ``Field [asc|desc], ...``; missing values come last whichever the direction."""
    result = list(items)
    for clause in reversed([part.strip() for part in (orderby or "").split(",") if part.strip()]):
        name, _, direction = clause.partition(" ")
        known = [item for item in result if _value(item, name) is not None]
        unknown = [item for item in result if _value(item, name) is None]
        known.sort(key=lambda item: _sortable(_value(item, name)), reverse=direction.strip().lower() == "desc")
        result = known + unknown
    return result


def _either(text: str, at: int) -> tuple[Predicate, int]:
    left, at = _both(text, at)
    while (join := _JOIN.match(text, at)) and join.group(1).lower() == "or":
        right, at = _both(text, join.end())
        left = _or(left, right)
    return left, at


def _both(text: str, at: int) -> tuple[Predicate, int]:
    left, at = _one(text, at)
    while (join := _JOIN.match(text, at)) and join.group(1).lower() == "and":
        right, at = _one(text, join.end())
        left = _and(left, right)
    return left, at


def _or(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) or right(item)


def _and(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) and right(item)


def _one(text: str, at: int) -> tuple[Predicate, int]:
    bracket = re.compile(r"\s*\(").match(text, at)
    if bracket:
        inner, at = _either(text, bracket.end())
        close = re.compile(r"\s*\)").match(text, at)
        if not close:
            raise FilterError(f"a parenthesis is not closed at character {at}")
        return inner, close.end()
    match = _COMPARISON.match(text, at)
    if not match:
        raise FilterError(f"no comparison at character {at}: {text[at : at + 40]!r}")
    raw = match.group("quoted")
    if raw is None and re.search(r"(^|\s)(and|or)$", match.group("bare").strip(), re.IGNORECASE):
        raise FilterError(f"nothing follows {match.group('bare').split()[-1]!r} at character {match.end()}")
    value = raw if raw is not None else match.group("bare").strip()
    is_null = raw is None and value.lower() == "null"
    return _comparison(match.group("path").strip(), match.group("op").lower(), None if is_null else value), match.end()


def _comparison(path: str, op: str, value: str | None) -> Predicate:
    head, _, key = path.partition("/")
    folded = head.lower()

    def test(item: Mapping[str, Any]) -> bool:
        if folded in ("tags", "properties") and key:
            held = _value(item, head) or {}
            # A key that is not there is neither null nor not null: "exists" is asked as `k ne null or k eq null`.
            return key in held and _compare(held[key], op, value)
        if folded == "runtypev2" and key.lower().startswith("traits/"):
            return key[len("traits/") :] in ((_value(item, head) or {}).get("traits") or [])
        return _compare(_value(item, path), op, value, time=folded in _TIMES)

    return test


def _compare(held: Any, op: str, value: str | None, *, time: bool = False) -> bool:
    if held is None or value is None:
        same = held is None and value is None
        return same if op == "eq" else (not same if op == "ne" else False)
    left: Any = held if isinstance(held, str) else ("true" if held is True else "false" if held is False else str(held))
    right: Any = value
    if time:
        left, right = instant(str(held)), instant(value)
    elif op not in ("eq", "ne"):
        try:
            left, right = float(held), float(value)
        except (TypeError, ValueError):
            pass
    return bool(
        {
            "eq": left == right,
            "ne": left != right,
            "gt": left > right,
            "ge": left >= right,
            "lt": left < right,
            "le": left <= right,
        }[op]
    )


def instant(text: str) -> datetime:
    """Read an ISO 8601 time with up to seven decimals; without an offset it is UTC."""
    cleaned = re.sub(r"(\.\d{1,6})\d*", r"\1", text.strip().replace("Z", "+00:00"))
    fraction = re.search(r"\.(\d+)", cleaned)
    if fraction:
        cleaned = cleaned.replace(fraction.group(0), "." + fraction.group(1).ljust(6, "0"), 1)
    try:
        when = datetime.fromisoformat(cleaned)
    except ValueError as error:
        raise FilterError(f"not a time: {text!r}") from error
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def _value(item: Mapping[str, Any], path: str) -> Any:
    held: Any = item
    for part in path.split("/"):
        if not isinstance(held, Mapping):
            return None
        wanted = part.lower()
        held = next((value for name, value in held.items() if name.lower() == wanted), None)
    return held


def _sortable(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
