from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from model import artifact, dataset, estimator, isolated, metrics, training
from model.contract import Column
from model.errors import BadParameter, MetricNotFinite, TrainingFailed
from tests.model.conftest import COLUMNS


def test_metrics_are_those_of_the_definition(trained: training.Trained) -> None:
    true, predicted = training.target(trained.holdout), trained.predictions
    values = trained.scores.values
    assert set(values) == {"mse", "rmse", "mae", "r2"}
    assert values["mse"] == pytest.approx(float(numpy.mean((true - predicted) ** 2)))
    assert values["rmse"] == pytest.approx(math.sqrt(values["mse"]))
    assert values["mae"] == pytest.approx(float(numpy.mean(numpy.abs(true - predicted))))
    assert values["r2"] == pytest.approx(1 - values["mse"] / float(numpy.var(true)))


def test_held_out_rows_are_not_trained_on(frame: pandas.DataFrame) -> None:
    seen, held_out, name = training.split(frame, seed=1, test_size=0.25)
    assert (len(seen), len(held_out)) == (331, 111)
    assert len(pandas.concat([seen, held_out]).drop_duplicates()) == len(frame.drop_duplicates())
    assert name == "random/1: test_size=0.25 seed=1"


def test_the_same_artifact_digest_in_other_processes(csv: Path, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from model import artifact, contract, dataset, tables, training
from registry.digests import tree_digest
frame = contract.check(tables.read(Path(sys.argv[1])), (*dataset.FEATURES, dataset.TARGET)).require("it")
trained = training.train(frame, {"alpha": 2.0})
artifact.write(Path(sys.argv[2]), trained.estimator, training.matrix(trained.holdout), lock_digest=None)
print(tree_digest(Path(sys.argv[2])))
"""
    digests = set()
    for seed, threads in (("1", "1"), ("2", "2")):
        done = subprocess.run(
            [sys.executable, "-c", program, str(csv), str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(isolated.ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_another_parameter_gives_another_model(frame: pandas.DataFrame) -> None:
    one, two = training.train(frame, {"alpha": 1.0}), training.train(frame, {"alpha": 100.0})
    assert one.scores.values["mse"] != two.scores.values["mse"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_size": 0.0}, "test_size is 0.0"),
        ({"test_size": 1.0}, "test_size is 1.0"),
        ({"test_size": float("nan")}, "test_size is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is"),
    ],
)
def test_options_out_of_range(frame: pandas.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        training.train(frame, {}, **options)


def test_parameters_are_checked_before_anything_is_fitted(
    frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimator, "build", lambda *_: pytest.fail("nothing may be built"))
    with pytest.raises(BadParameter, match="alpha is -1"):
        training.train(frame, {"alpha": -1})


class Returns(RegressorMixin, BaseEstimator):
    """Predicts one value for all."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def fit(self, x: Any, y: Any) -> Returns:
        if self.value == 7:
            raise ValueError("line one\nline two")
        if self.value == 8:
            raise MemoryError
        return self

    def predict(self, x: Any) -> Any:
        return numpy.full(len(x), self.value)


def use(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    def build(parameters: Mapping[str, Any], seed: int) -> Any:
        return made

    monkeypatch.setattr(estimator, "build", build)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_predictions_that_are_not_finite(
    frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    use(monkeypatch, Returns(value))
    with pytest.raises(MetricNotFinite, match="89 of 89 predictions"):
        training.train(frame, {})


def test_an_overflowing_metric_is_named(frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Returns(1e200))
    with pytest.raises(MetricNotFinite, match="metric mse is inf"):
        training.train(frame, {})


def test_an_estimator_that_raises(frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Returns(7))
    with pytest.raises(TrainingFailed, match="ValueError: line one line two"):
        training.train(frame, {})


def test_out_of_memory(frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Returns(8))
    with pytest.raises(TrainingFailed, match="out of memory"):
        training.train(frame, {})


def test_an_estimator_that_cannot_be_stored(frame: pandas.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="cannot be stored"):
        artifact.write(tmp_path / "m", lambda rows: rows, training.matrix(frame), lock_digest=None)


def test_text_features_are_refused(frame: pandas.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "FEATURES", (Column("age", categories=("young", "old")),))
    with pytest.raises(TrainingFailed, match="feature age is text"):
        training.matrix(frame)


def test_classes_are_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "TASK", "classification")
    frame = pandas.DataFrame({"x": range(100), dataset.TARGET.name: [0.0] * 80 + [1.0] * 20})
    _, held_out, name = training.split(frame, seed=1, test_size=0.2)
    assert held_out[dataset.TARGET.name].tolist().count(1.0) == 4
    assert name.endswith("stratified")


def test_a_class_with_one_row_cannot_be_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "TASK", "classification")
    frame = pandas.DataFrame({"x": range(20), dataset.TARGET.name: [0.0] * 19 + [1.0]})
    with pytest.raises(TrainingFailed, match="cannot be split"):
        training.split(frame, seed=1, test_size=0.2)


def test_metrics_of_a_classifier() -> None:
    scores = metrics.measure("classification", [0, 0, 1, 1], [0, 1, 1, 1])
    assert scores.values["accuracy"] == 0.75
    assert scores.values["balanced_accuracy"] == 0.75
    assert scores.definition != metrics.definition("regression")


def test_every_metric_has_a_direction() -> None:
    assert set(metrics.DIRECTIONS) == {*metrics.REGRESSION, *metrics.CLASSIFICATION}
    assert len(COLUMNS) == 11
