from __future__ import annotations

from typing import Any

import pandas
import pytest

from model import estimator, search
from model.errors import BadParameter, TrainingFailed

OPTIONS: dict[str, Any] = {"metric": "mse", "direction": "lower", "seed": 1, "test_size": 0.2}


def test_finds_the_best_by_metric_and_direction(frame: pandas.DataFrame) -> None:
    grid = {"alpha": [1e5, 1.0, 1e6]}
    found = search.search(frame, {}, grid, **OPTIONS)
    assert (found.parameters, found.combinations, found.folds, found.failed) == ({"alpha": 1.0}, 3, 5, 0)
    worst = search.search(frame, {}, grid, **{**OPTIONS, "direction": "higher"})
    assert worst.parameters == {"alpha": 1e6}
    assert worst.score > found.score


def test_ties_are_decided_by_the_order_of_the_grid(frame: pandas.DataFrame) -> None:
    assert search.search(frame, {}, {"alpha": [2.0, 2.0, 2]}, **OPTIONS).parameters == {"alpha": 2.0}


def test_held_out_rows_are_not_looked_at(frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    from model import training

    seen, held_out, _ = training.split(frame, seed=1, test_size=0.2)
    spoiled = frame.copy()
    spoiled.loc[frame["progression"].isin(held_out["progression"]) & ~frame["progression"].isin(seen["progression"])]
    before = search.search(frame, {}, {"alpha": [1.0]}, **OPTIONS).score

    def split(*_: Any, **__: Any) -> Any:
        return seen, held_out * 0, ""

    monkeypatch.setattr(training, "split", split)
    assert search.search(frame, {}, {"alpha": [1.0]}, **OPTIONS).score == before


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "list of values"),
        ({"alpha": 1.0}, "list of values"),
        ({"alpha": "123"}, "list of values"),
        ({"alpha": []}, "0 combinations"),
        ({"alpha": [1.0] * 100_001}, "100001 combinations"),
        ({"alpha": [1.0, -1.0]}, "alpha is -1"),
        ({"beta": [1.0]}, "no training parameter 'beta'"),
    ],
)
def test_grids_that_make_no_sense(frame: pandas.DataFrame, grid: Any, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        search.search(frame, {}, grid, **OPTIONS)


def test_an_unknown_metric(frame: pandas.DataFrame) -> None:
    with pytest.raises(BadParameter, match="metric 'auc' is not measured"):
        search.search(frame, {}, {"alpha": [1.0]}, **{**OPTIONS, "metric": "auc"})


def test_a_combination_that_cannot_be_fitted_does_not_stop_the_others(
    frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = estimator.build

    def sometimes(parameters: Any, seed: int) -> Any:
        if parameters["alpha"] == 3.0:
            raise ValueError("not three")
        return build(parameters, seed)

    monkeypatch.setattr(estimator, "build", sometimes)
    found = search.search(frame, {}, {"alpha": [3.0, 1e6]}, **OPTIONS)
    assert (found.parameters, found.failed) == ({"alpha": 1e6}, 1)
    with pytest.raises(TrainingFailed, match=r"none of 1 combinations could be fitted: ValueError: not three"):
        search.search(frame, {}, {"alpha": [3.0]}, **OPTIONS)
