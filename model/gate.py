"""The gate: is the candidate better than what is in production?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from model.errors import CannotDecide

ROUNDING = 1e-9
"""Relative difference below which two values are equal: another order of the same sums is no better model."""


class Outcome(str, Enum):
    """What the gate says. The third outcome, *cannot decide*, is an error: ``CannotDecide``."""

    PROMOTE = "promote"
    KEEP = "keep"


@dataclass(frozen=True)
class Rule:
    """How two values of a metric are compared."""

    metric: str
    direction: str
    """``lower`` or ``higher``."""
    margin: float = 0.0
    """The candidate must be better by more than this, in the metric's unit. Not negative."""

    def __post_init__(self) -> None:
        if self.direction not in ("lower", "higher"):
            raise CannotDecide(f"direction is {self.direction!r}; it must be lower or higher")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise CannotDecide(f"margin is {self.margin}; it must be a number from 0 up")


@dataclass(frozen=True)
class Verdict:
    """The gate's answer with its reason in words."""

    outcome: Outcome
    reason: str
    candidate: float
    production: float | None


def decide(rule: Rule, candidate: Mapping[str, object], production: Mapping[str, object] | None) -> Verdict:
    """Judge a candidate's metrics against production's, measured on the same held-out rows.

    Parameters
    ----------
    rule : Rule
    candidate, production : mapping of metric name to value
        `production` is ``None`` when nothing is in production: the first model is promoted.

    Raises
    ------
    model.errors.CannotDecide
        A metric is missing or not finite; the message says whose and which.
    """
    new = _value(rule.metric, candidate, "the candidate")
    if production is None:
        return Verdict(
            Outcome.PROMOTE, f"first model: {rule.metric} {new:.6g}, nothing is in production yet", new, None
        )
    old = _value(rule.metric, production, "the production model")
    gain = old - new if rule.direction == "lower" else new - old
    comparison = f"{rule.metric} {new:.6g} against production's {old:.6g}"
    needed = f" by more than {rule.margin:g}" if rule.margin else ""
    if math.isclose(new, old, rel_tol=ROUNDING):
        gain = 0.0
    if gain > rule.margin:
        return Verdict(Outcome.PROMOTE, f"better{needed}: {comparison}", new, old)
    word = "equal" if gain == 0 else f"not better{needed}"
    return Verdict(Outcome.KEEP, f"{word}: {comparison} ({rule.direction} is better)", new, old)


def _value(metric: str, values: Mapping[str, object], whose: str) -> float:
    hint = "train again, or name another metric in mlops.toml: [gate] metric"
    if metric not in values:
        known = ", ".join(sorted(values)) or "none"
        raise CannotDecide(f"{whose} has no metric {metric!r} (it has: {known})", hint=hint)
    value = values[metric]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CannotDecide(f"{metric} of {whose} is {value!r}, not a number", hint=hint)
    if not math.isfinite(value):
        raise CannotDecide(f"{metric} of {whose} is {value}, not a finite number", hint=hint)
    return float(value)
