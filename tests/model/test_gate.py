from __future__ import annotations

from typing import Any

import pytest

from model.errors import CannotDecide
from model.gate import Outcome, Rule, decide

LOWER = Rule("mse", "lower")


def test_the_first_model_is_promoted() -> None:
    verdict = decide(LOWER, {"mse": 5.0}, None)
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.production is None
    assert "first model" in verdict.reason


@pytest.mark.parametrize(
    ("rule", "new", "old", "outcome"),
    [
        (LOWER, 4.0, 5.0, Outcome.PROMOTE),
        (LOWER, 5.0, 5.0, Outcome.KEEP),
        (LOWER, 6.0, 5.0, Outcome.KEEP),
        (LOWER, 5.0 - 1e-12, 5.0, Outcome.KEEP),
        (LOWER, 5.0 - 1e-6, 5.0, Outcome.PROMOTE),
        (Rule("mse", "higher"), 6.0, 5.0, Outcome.PROMOTE),
        (Rule("mse", "higher"), 5.0, 5.0, Outcome.KEEP),
        (Rule("mse", "higher"), 4.0, 5.0, Outcome.KEEP),
        (Rule("mse", "lower", 1.0), 4.5, 5.0, Outcome.KEEP),
        (Rule("mse", "lower", 1.0), 4.0, 5.0, Outcome.KEEP),
        (Rule("mse", "lower", 1.0), 3.9, 5.0, Outcome.PROMOTE),
    ],
)
def test_better_by_metric_direction_and_margin(rule: Rule, new: float, old: float, outcome: Outcome) -> None:
    verdict = decide(rule, {"mse": new}, {"mse": old})
    assert verdict.outcome is outcome
    assert f"{new:g}" in verdict.reason
    assert f"{old:g}" in verdict.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "5", None, True])
@pytest.mark.parametrize("whose", ["candidate", "production"])
def test_a_metric_that_is_no_finite_number(whose: str, value: Any) -> None:
    metrics = {"candidate": {"mse": 5.0}, "production": {"mse": 5.0}, whose: {"mse": value}}
    with pytest.raises(CannotDecide, match=f"mse of the {whose}"):
        decide(LOWER, metrics["candidate"], metrics["production"])


@pytest.mark.parametrize("whose", ["candidate", "production"])
def test_a_missing_metric_names_whose_and_what_there_is(whose: str) -> None:
    metrics = {"candidate": {"mse": 5.0}, "production": {"mse": 5.0}, whose: {"r2": 1.0}}
    with pytest.raises(CannotDecide, match=rf"the {whose}.* has no metric 'mse' \(it has: r2\)"):
        decide(LOWER, metrics["candidate"], metrics["production"])


def test_a_missing_metric_of_a_first_model_is_no_promotion() -> None:
    with pytest.raises(CannotDecide, match="the candidate has no metric"):
        decide(LOWER, {}, None)


@pytest.mark.parametrize(("direction", "margin"), [("up", 0.0), ("lower", -1.0), ("lower", float("nan"))])
def test_a_rule_that_makes_no_sense(direction: str, margin: float) -> None:
    with pytest.raises(CannotDecide):
        Rule("mse", direction, margin)
