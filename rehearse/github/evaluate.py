"""Evaluate GitHub's expressions.

Source: docs.github.com/en/actions/reference/workflows-and-actions/expressions (operators, loose equality, functions).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from rehearse.errors import ExpressionError, NotRehearsed
from rehearse.syntax import Call, Expression, Index, Literal, Name, parse

Function = Callable[..., Any]


def truthy(value: Any) -> bool:
    """False, 0, NaN, the empty string and null are false; everything else is true, ``'false'`` included."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return True if isinstance(value, (Mapping, list)) else bool(value)


def to_text(value: Any) -> str:
    """As ``${{ }}`` prints it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list)):
        return "Object" if isinstance(value, Mapping) else "Array"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value) if value.strip() else 0.0
        except ValueError:
            return math.nan
    return math.nan


def equal(left: Any, right: Any) -> bool:
    """Loose equality: text without regard to case, different kinds as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, (Mapping, list)) or isinstance(right, (Mapping, list)):
        return left is right
    if type(left) is type(right):
        return bool(left == right)
    return _number(left) == _number(right)


def _ordered(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return test(left.lower(), right.lower())
    return test(_number(left), _number(right))


def _format(pattern: Any, *values: Any) -> str:
    import re

    def fill(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None or int(match[1]) >= len(values):
            raise ExpressionError(f"format(): {match[0]!r} has no value")
        return to_text(values[int(match[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}|[{}]", fill, to_text(pattern))


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, list):
        return any(equal(member, item) for member in container)
    return to_text(item).lower() in to_text(container).lower()


def _join(values: Any, separator: Any = ",") -> str:
    return to_text(separator).join(map(to_text, values)) if isinstance(values, list) else to_text(values)


FUNCTIONS: dict[str, Function] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": lambda left, right: _ordered(left, right, lambda a, b: bool(a < b)),
    "<=": lambda left, right: _ordered(left, right, lambda a, b: bool(a <= b)),
    ">": lambda left, right: _ordered(left, right, lambda a, b: bool(a > b)),
    ">=": lambda left, right: _ordered(left, right, lambda a, b: bool(a >= b)),
    "!": lambda value: not truthy(value),
    "contains": _contains,
    "startswith": lambda text, part: to_text(text).lower().startswith(to_text(part).lower()),
    "endswith": lambda text, part: to_text(text).lower().endswith(to_text(part).lower()),
    "format": _format,
    "join": _join,
    "tojson": lambda value: json.dumps(value, indent=2),
    "fromjson": lambda text: json.loads(to_text(text)),
}
STATUS = ("success", "always", "cancelled", "failure")


class Evaluator:
    """One set of contexts and status functions."""

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> None:
        self.contexts = {name.lower(): value for name, value in contexts.items()}
        self.functions = {**FUNCTIONS, **(functions or {})}

    def __call__(self, text: str, where: str | None = None) -> Any:
        """Parse and evaluate `text`. Raises ``ExpressionError``, ``NotRehearsed``."""
        return self.value(parse(text, operators=True, where=where), where)

    def value(self, expression: Expression, where: str | None) -> Any:
        """The value of a parsed expression."""
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Name):
            if expression.name.lower() not in self.contexts:
                known = ", ".join(sorted(self.contexts))
                raise ExpressionError(
                    f"there is no context {expression.name!r} here", where=where, hint=f"there is: {known}"
                )
            return self.contexts[expression.name.lower()]
        if isinstance(expression, Index):
            return self._member(expression, where)
        return self._call(expression, where)

    def _member(self, expression: Index, where: str | None) -> Any:
        container = self.value(expression.of, where)
        if expression.key is None:
            members = container.values() if isinstance(container, Mapping) else container
            return list(members) if isinstance(members, (list, type({}.values()))) else []
        key = self.value(expression.key, where)
        if isinstance(container, Mapping):
            lowered = to_text(key).lower()
            return next((value for name, value in container.items() if str(name).lower() == lowered), None)
        if isinstance(container, list):
            index = _number(key)
            return container[int(index)] if 0 <= index < len(container) else None
        return None

    def _call(self, expression: Call, where: str | None) -> Any:
        name = expression.function.lower()
        if name in ("&&", "||"):
            left = self.value(expression.arguments[0], where)
            if truthy(left) == (name == "||"):
                return left
            return self.value(expression.arguments[1], where)
        if name not in self.functions:
            raise NotRehearsed(f"the function {expression.function}() is not known here", where=where)
        return self.functions[name](*[self.value(part, where) for part in expression.arguments])
