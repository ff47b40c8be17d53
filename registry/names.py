"""Which names, versions, tags and values are allowed: one rule for every backend.

The rules are the narrowest of the places where a name ends up: Azure Machine Learning (letters, digits, ``.``, ``_``,
``-``; 255 characters), a folder on any file system (reserved device names of Windows, no trailing dot, no difference in
case alone), and a reference ``name:3`` or ``name@alias``. A name is never decoded: ``%2e%2e`` is refused as it stands.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidName

MAX_NAME = 255
MAX_VERSION = 2**31 - 1
MAX_TAG_KEY = 256
MAX_TEXT = 100_000
MAX_PATH = 1024

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\Z")
# Paths that need no closer look: plain components, none of them beginning like a device name.
_PLAIN = re.compile(
    r"(?:(?!con|prn|aux|nul|com|lpt)[a-z0-9_-][a-z0-9._-]{0,99}(?<!\.)(?:/(?!\Z)|\Z)){1,9}\Z", re.IGNORECASE
)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?\Z", re.IGNORECASE)


def check_name(name: str, what: str = "model") -> str:
    """Return `name` if it may name a model, an alias, a data set or an experiment.

    Raises
    ------
    registry.errors.InvalidName
        With the rule that it breaks.
    """
    if not isinstance(name, str) or not name:
        raise InvalidName(f"the {what} name is empty or no text: {_show(name)}")
    if len(name) > MAX_NAME:
        raise InvalidName(f"the {what} name has {len(name)} characters; {MAX_NAME} are allowed: {_show(name)}")
    if not _NAME.match(name):
        raise InvalidName(
            f"{_show(name)} cannot be the name of {_a(what)}",
            hint="use letters, digits, '.', '_' and '-'; begin with a letter or digit; do not end with a dot",
        )
    if _RESERVED.match(name):
        raise InvalidName(f"{_show(name)} is a device name on Windows and cannot be the name of {_a(what)}")
    return name


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def check_alias(alias: str) -> str:
    """Return `alias` if it is a name in lower case, so that no two differ in case alone. Raises ``InvalidName``."""
    if check_name(alias, "alias") != alias.lower():
        raise InvalidName(f"alias {_show(alias)} is not in lower case", hint=f"write {alias.lower()}")
    return alias


def is_alias(name: str) -> bool:
    """Whether `name` may be an alias."""
    try:
        return bool(check_alias(name))
    except InvalidName:
        return False


def check_version(version: int) -> int:
    """Return `version` if it is a whole number from 1 on. Raises ``InvalidName``."""
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= MAX_VERSION:
        raise InvalidName(f"{_show(version)} is not a version", hint="versions are 1, 2, 3 ...")
    return version


def check_text(text: str, what: str, *, limit: int = MAX_TEXT) -> str:
    """Return `text` if it can be stored: UTF-8, no NUL, not over `limit` characters. Raises ``InvalidName``."""
    if not isinstance(text, str):
        raise InvalidName(f"{what} must be text, not {type(text).__name__}")
    if len(text) > limit:
        raise InvalidName(f"{what} has {len(text)} characters; {limit} are allowed")
    if "\0" in text:
        raise InvalidName(f"{what} holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidName(f"{what} is not valid Unicode: {_show(text)}") from None
    return text


def check_texts(values: Mapping[str, str] | None, what: str = "tag") -> dict[str, str]:
    """Return a copy of `values` if every key and value may be a tag or a property. Raises ``InvalidName``."""
    checked = {}
    for key, value in (values or {}).items():
        checked[check_key(key, what)] = check_text(value, f"the value of {what} {_show(key)}")
    return checked


def check_key(key: str, what: str) -> str:
    """Return `key` if it may name a tag, a property, a parameter or a metric. Raises ``InvalidName``."""
    check_text(key, f"the {what} name", limit=MAX_TAG_KEY)
    if not key or any(unicodedata.category(char) == "Cc" for char in key):
        raise InvalidName(f"{_show(key)} cannot be the name of {_a(what)}: it is empty or holds control characters")
    return key


def check_metric(name: str, value: float) -> float:
    """Return `value` as a float if it is a finite number. Raises ``InvalidName``."""
    check_key(name, "metric")
    if isinstance(value, bool) or (not isinstance(value, (int, float)) and not hasattr(value, "__float__")):
        raise InvalidName(f"metric {_show(name)} must be a number, not {type(value).__name__}")
    try:
        number = float(value)
    except (OverflowError, ValueError, TypeError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidName(f"metric {_show(name)} is {_show(value)}: only finite numbers are kept")
    return number


def check_metrics(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Return a copy of `metrics` with finite floats. Raises ``InvalidName``."""
    return {name: check_metric(name, value) for name, value in (metrics or {}).items()}


def check_document(values: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """Return a copy of `values` if it is a JSON object (finite numbers, text keys). Raises ``InvalidName``."""
    for key in values or {}:
        check_key(key, what)
    try:
        text = json.dumps(dict(values or {}), allow_nan=False, ensure_ascii=False)
        text.encode()
        copy: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidName(f"the {what}s cannot be kept as JSON: {error}") from None
    return copy


def check_path(path: str, what: str = "artifact") -> str:
    """Return `path` if it is a relative POSIX path that stays inside its folder on every system.

    Raises
    ------
    registry.errors.InvalidName
        Absolute, empty, with ``.`` or ``..``, a backslash, a drive letter, control characters, not UTF-8, a component
        over 255 bytes, or a device name of Windows.
    """
    if isinstance(path, str) and _PLAIN.match(path):
        return path
    check_text(path, f"the {what} path", limit=MAX_PATH)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise InvalidName(f"{_show(path)} is not allowed in an {what}: it is absolute, empty, or leaves its folder")
        if "\\" in part or ":" in part or any(unicodedata.category(char) == "Cc" for char in part):
            raise InvalidName(
                f"{_show(path)} is not allowed in an {what}: it holds a backslash, colon or control character"
            )
        if len(part.encode()) > MAX_NAME or part[-1] in ". " or _RESERVED.match(part):
            raise InvalidName(f"{_show(path)} is not allowed in an {what}: some systems cannot store that name")
    return path


def check_paths(paths: list[str], what: str = "artifact") -> None:
    """Check every path, and that no two are equal but for case or Unicode form. Raises ``InvalidName``."""
    seen: dict[str, str] = {}
    for path in paths:
        check_path(path, what)
        folded = unicodedata.normalize("NFC", path).casefold()
        if folded in seen:
            raise InvalidName(
                f"{_show(seen[folded])} and {_show(path)} differ only in case or Unicode form",
                hint="some systems take them for one file: rename one",
            )
        seen[folded] = path
    for folded in seen:
        for parent in _parents(folded):
            if parent in seen:
                raise InvalidName(f"{_show(seen[parent])} is a file and a folder in this {what}")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _show(value: object) -> str:
    """A value for an error message: escaped, on one line, not longer than a line."""
    text = ascii(value)
    return text if len(text) <= 80 else text[:60] + "..." + text[-10:]
