"""Metrics on held-out data, and what identifies their definition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.errors import MetricNotFinite

REGRESSION = ("mse", "rmse", "mae", "r2")
CLASSIFICATION = ("accuracy", "balanced_accuracy", "f1_macro")

DIRECTIONS = {
    "mse": "lower",
    "rmse": "lower",
    "mae": "lower",
    "r2": "higher",
    "accuracy": "higher",
    "balanced_accuracy": "higher",
    "f1_macro": "higher",
}
"""Which way is better."""

_REVISION = 1
"""Raise it when a metric's meaning changes: stored values of another definition are never compared."""


@dataclass(frozen=True)
class Scores:
    """Metrics of one model on one held-out data set."""

    values: Mapping[str, float]
    definition: str


def names(task: str) -> tuple[str, ...]:
    """Metrics that are measured for a task."""
    return CLASSIFICATION if task == "classification" else REGRESSION


def definition(task: str) -> str:
    """What the metrics are: equal text, comparable values."""
    return f"{task}/{_REVISION}: {' '.join(names(task))}"


def measure(task: str, true: Any, predicted: Any) -> Scores:
    """Measure predictions against the truth.

    Parameters
    ----------
    task : str
        ``regression`` or ``classification``.
    true, predicted : array_like of shape (n,)
        In the target's unit (mse in its square), or class labels.

    Raises
    ------
    model.errors.MetricNotFinite
        A metric is infinite or not a number; the message names it.
    """
    import numpy
    from sklearn import metrics

    if task == "classification":
        values = {
            "accuracy": metrics.accuracy_score(true, predicted),
            "balanced_accuracy": metrics.balanced_accuracy_score(true, predicted),
            "f1_macro": metrics.f1_score(true, predicted, average="macro"),
        }
    else:
        predicted = numpy.asarray(predicted, dtype=float)
        bad = int((~numpy.isfinite(predicted)).sum())
        if bad:
            raise MetricNotFinite(
                f"{bad} of {predicted.size} predictions on the held-out data are not finite, so mse is not either",
                hint="look for columns with extreme values, or a parameter at the edge of its range",
            )
        mse = float(metrics.mean_squared_error(true, predicted))
        values = {
            "mse": mse,
            "rmse": math.sqrt(mse),
            "mae": metrics.mean_absolute_error(true, predicted),
            "r2": metrics.r2_score(true, predicted),
        }
    result = {name: float(value) for name, value in values.items()}
    for name, value in result.items():
        if not math.isfinite(value):
            raise MetricNotFinite(
                f"metric {name} is {value} on {len(true)} held-out rows",
                hint="give more data or a larger test_size: some metrics need at least two rows",
            )
    return Scores(result, definition(task))
