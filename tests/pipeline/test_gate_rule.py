"""A gate that cannot decide is refused before anything is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model import dataset
from model.errors import CannotDecide
from pipeline import checking
from pipeline.config import PipelineConfig

CONFIG = PipelineConfig(model="m", experiment="e", data="d")


@pytest.fixture(autouse=True)
def regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "TASK", "regression")


@pytest.mark.parametrize(
    ("changes", "part", "hint"),
    [
        ({"metric": "accuracy"}, "'accuracy' of a regression (there are: mse", "gate.metric"),
        ({"metric": "foo"}, "'foo'", "gate.metric"),
        # What remains of another metric's setting would promote whatever is worse.
        ({"metric": "r2", "direction": "lower"}, "the better r2 is the higher one", "gate.direction=higher"),
        ({"metric": "mse", "direction": "higher"}, "the better mse is the lower one", "gate.direction=lower"),
    ],
)
def test_a_metric_that_cannot_decide(changes: dict[str, Any], part: str, hint: str) -> None:
    config = replace(CONFIG, **changes)
    with pytest.raises(CannotDecide) as caught:
        checking.rule(config)
    assert part in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_a_metric_of_the_projects_own_has_the_direction_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from model import metrics

    monkeypatch.setattr(metrics, "REGRESSION", ("mse", "mine"))
    for direction in ("lower", "higher"):
        rule = checking.rule(replace(CONFIG, metric="mine", direction=direction))
        assert (rule.metric, rule.direction) == ("mine", direction)
