"""Filters on metrics, as people write them: ``mse<3000``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable

from registry.errors import InvalidName
from registry.models import ModelVersion

_FILTER = re.compile(r"\s*(?P<name>[^<>=!]+?)\s*(?P<compare><=|>=|!=|==|=|<|>)\s*(?P<value>[^<>=!\s]+)\s*\Z")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


def metric_filters(texts: Iterable[str]) -> list[Callable[[ModelVersion], bool]]:
    """Turn texts into tests of a version. A version without the metric passes none of them.

    Raises
    ------
    registry.errors.InvalidName
        A text is not a name, a comparison and a finite number.
    """
    return [_filter(text) for text in texts]


def _filter(text: str) -> Callable[[ModelVersion], bool]:
    found = _FILTER.match(text)
    try:
        limit = float(found["value"]) if found else math.nan
    except ValueError:
        limit = math.nan
    if not found or not math.isfinite(limit):
        raise InvalidName(f"{text!r} is not a filter on a metric", hint="write, for example, 'mse<3000' or 'r2>=0.5'")
    name, compare = found["name"], _COMPARE[found["compare"]]
    return lambda version: name in version.metrics and compare(version.metrics[name], limit)
