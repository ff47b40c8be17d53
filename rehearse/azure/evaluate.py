"""Evaluate Azure's expressions. An unknown context or function is an error that names it.

Source: learn.microsoft.com/azure/devops/pipelines/process/expressions (functions, status checks, filtered arrays).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rehearse.azure.values import Inconvertible, compare, equal, lookup, to_boolean, to_text
from rehearse.errors import ExpressionError, NotRehearsed
from rehearse.syntax import Call, Expression, Index, Literal, Name, parse

Function = Callable[..., Any]

_MARK = re.compile(r"\{\{|\}\}|\{(\d+)(?::([^}]*))?\}|[{}]")


class Strict(dict[str, Any]):
    """A context whose missing members are errors (``parameters``): the service takes them for empty text, silently."""

    what = "parameter"


class Filtered(list[Any]):
    """What ``object.*`` gives: a following key is applied to each member."""


class Evaluator:
    """One set of contexts and functions.

    Parameters
    ----------
    contexts : mapping of str to object
        What names stand for: ``variables``, ``parameters``, ``dependencies`` ...
    functions : mapping of str to callable, optional
        Functions besides the general ones, by lower-case name: status checks, ``counter``.
    """

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> None:
        self.contexts = {name.lower(): value for name, value in contexts.items()}
        self.functions = {**GENERAL, **(functions or {})}

    def __call__(self, text: str, where: str | None = None) -> Any:
        """Parse and evaluate `text`.

        Raises
        ------
        ExpressionError
            It cannot be read or evaluated.
        NotRehearsed
            It uses a function that the interpreter does not know.
        """
        expression = parse(text, operators=False, where=where)
        try:
            return self.value(expression, where)
        except Inconvertible as error:
            raise ExpressionError(f"in the expression {text.strip()!r}: {error}", where=where) from None

    def value(self, expression: Expression, where: str | None) -> Any:
        """The value of a parsed expression."""
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Name):
            name = expression.name.lower()
            if name not in self.contexts:
                known = ", ".join(sorted(self.contexts)) or "none"
                raise ExpressionError(f"unrecognized value {expression.name!r}; here there is: {known}", where=where)
            return self.contexts[name]
        if isinstance(expression, Index):
            return self._member(expression, where)
        return self._call(expression, where)

    def _member(self, expression: Index, where: str | None) -> Any:
        container = self.value(expression.of, where)
        if expression.key is None:
            members = list(container.values()) if isinstance(container, Mapping) else container
            return Filtered(members) if isinstance(members, list) else Filtered()
        key = self.value(expression.key, where)
        if isinstance(container, Filtered):
            found = (lookup(member, key) for member in container)
            return Filtered(value for value in found if value is not None)
        value = lookup(container, key)
        if value is None and isinstance(container, Strict) and to_text(key).lower() not in map(str.lower, container):
            raise ExpressionError(
                f"there is no {container.what} {to_text(key)!r}",
                where=where,
                hint=f"known: {', '.join(sorted(container)) or 'none'}",
            )
        return value

    def _call(self, expression: Call, where: str | None) -> Any:
        name = expression.function.lower()
        if name not in self.functions:
            raise NotRehearsed(f"the function {expression.function}() is not known here", where=where)
        function, count = self.functions[name], len(expression.arguments)
        low, high = ARITY.get(name, (0, None))
        if count < low or (high is not None and count > high):
            takes = f"{low}" if low == high else f"{low} or more" if high is None else f"{low} to {high}"
            raise ExpressionError(f"{expression.function}() takes {takes} arguments, not {count}", where=where)
        if name in _LAZY:
            return function(*[(lambda part=part: self.value(part, where)) for part in expression.arguments])
        return function(*[self.value(part, where) for part in expression.arguments])


def _format(pattern: Any, *values: Any) -> str:
    def fill(match: re.Match[str]) -> str:
        text = match[0]
        if text in ("{{", "}}"):
            return text[0]
        if match[1] is None:
            raise ExpressionError(f"format(): a single {text!r}; write it twice to mean it")
        index, style = int(match[1]), match[2]
        if index >= len(values):
            raise ExpressionError(f"format(): there is no argument {index}")
        value = values[index]
        if style is None:
            return to_text(value)
        if isinstance(value, datetime):
            return _date(value, style)
        raise NotRehearsed(f"the format {{{index}:{style}}} of {value!r} is not known here")

    return _MARK.sub(fill, to_text(pattern))


def _date(value: datetime, style: str) -> str:
    for mark, code in (
        ("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("yy", "%y"),
    ):  # fmt: skip
        style = style.replace(mark, code)
    return value.strftime(style)


def _join(separator: Any, values: Any) -> str:
    return to_text(separator).join(map(to_text, values)) if isinstance(values, list) else to_text(values)


def _contains_value(container: Any, wanted: Any) -> bool:
    members = container.values() if isinstance(container, Mapping) else container if isinstance(container, list) else []
    return any(equal(wanted, member) for member in members)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (list, Mapping)) else len(to_text(value))


def _split(text: Any, separators: Any) -> list[str]:
    marks = to_text(separators)
    return re.split("[" + re.escape(marks) + "]", to_text(text)) if marks else [to_text(text)]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _trimmed(value: Any) -> str:
    return to_text(value).strip()


def _one(flags: list[bool]) -> bool:
    return sum(flags) == 1


GENERAL: dict[str, Function] = {
    "and": lambda *parts: all(to_boolean(part()) for part in parts),
    "or": lambda *parts: any(to_boolean(part()) for part in parts),
    "not": lambda value: not to_boolean(value),
    "xor": lambda left, right: _one([to_boolean(left), to_boolean(right)]),
    "iif": lambda test, yes, no: yes() if to_boolean(test()) else no(),
    "coalesce": lambda *values: next((value for value in values if value is not None and value != ""), None),
    "contains": lambda text, part: to_text(part).lower() in to_text(text).lower(),
    "containsvalue": _contains_value,
    "converttojson": lambda value: json.dumps(_plain(value), indent=2),
    "endswith": lambda text, part: to_text(text).lower().endswith(to_text(part).lower()),
    "startswith": lambda text, part: to_text(text).lower().startswith(to_text(part).lower()),
    "eq": equal,
    "ne": lambda left, right: not equal(left, right),
    "ge": lambda left, right: compare(left, right) >= 0,
    "gt": lambda left, right: compare(left, right) > 0,
    "le": lambda left, right: compare(left, right) <= 0,
    "lt": lambda left, right: compare(left, right) < 0,
    "in": lambda value, *others: any(equal(value, other) for other in others),
    "notin": lambda value, *others: not any(equal(value, other) for other in others),
    "format": _format,
    "join": _join,
    "length": _length,
    "lower": lambda text: to_text(text).lower(),
    "upper": lambda text: to_text(text).upper(),
    "replace": lambda text, old, new: to_text(text).replace(to_text(old), to_text(new)),
    "split": _split,
    "trim": _trimmed,
}
_LAZY = {"and", "or", "iif"}
ARITY: dict[str, tuple[int, int | None]] = {
    "and": (2, None), "or": (2, None), "not": (1, 1), "xor": (2, 2), "iif": (3, 3), "coalesce": (2, None),
    "contains": (2, 2), "containsvalue": (2, 2), "converttojson": (1, 1), "endswith": (2, 2), "startswith": (2, 2),
    "eq": (2, 2), "ne": (2, 2), "ge": (2, 2), "gt": (2, 2), "le": (2, 2), "lt": (2, 2), "in": (1, None),
    "notin": (1, None), "format": (1, None), "join": (2, 2), "length": (1, 1), "lower": (1, 1), "upper": (1, 1),
    "replace": (3, 3), "split": (2, 2), "trim": (1, 1), "counter": (0, 2), "always": (0, 0), "canceled": (0, 0),
}  # fmt: skip
