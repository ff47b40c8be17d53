"""Searching parameters by cross-validation on the training rows, on whatever joblib runs on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model import dataset, estimator, metrics, training
from model.errors import BadParameter, TrainingFailed
from model.parameters import resolve

if TYPE_CHECKING:
    import pandas

FOLDS = 5
LIMIT = 100_000
"""Combinations; more is a mistake in the grid."""


@dataclass(frozen=True)
class Found:
    """The best combination, and how it was found."""

    parameters: Mapping[str, Any]
    score: float
    """Mean of `metric` over the folds."""
    metric: str
    combinations: int
    folds: int
    failed: int
    """Combinations that could not be fitted."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return {name: getattr(self, name) for name in ("score", "metric", "combinations", "folds", "failed")}


def search(
    frame: pandas.DataFrame,
    given: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    *,
    metric: str,
    direction: str,
    seed: int,
    test_size: float,
) -> Found:
    """Try every combination of a grid by cross-validation on the rows that are not held out.

    Ties are decided by the order of the grid, so that the same data and grid give the same parameters wherever and in
    whatever order the fits run.

    Parameters
    ----------
    frame : DataFrame
        A checked table; its held-out part (see :func:`model.training.split`) is not looked at.
    given : mapping
        Parameters that are not searched.
    grid : mapping of str to sequence
        Values to try by parameter name.
    metric, direction : str
        What is compared, and whether ``lower`` or ``higher`` is better.

    Raises
    ------
    model.errors.BadParameter
        The grid is empty or too large, or a value is out of range, before anything is fitted.
    model.errors.TrainingFailed
        No combination could be fitted.
    """
    from joblib import Parallel, delayed

    combinations = expand(given, grid)
    if metric not in metrics.names(dataset.TASK):
        known = ", ".join(metrics.names(dataset.TASK))
        raise BadParameter(f"metric {metric!r} is not measured", hint=f"one of {known}")
    seen, _, _ = training.split(frame, seed=seed, test_size=test_size)
    rows, truth = training.matrix(seen), training.target(seen)
    fit = _Fit(rows, truth, tuple(_folds(rows, truth, seed)), seed, metric)
    tasks = [(parameters, fold) for parameters in combinations for fold in range(FOLDS)]
    values = Parallel()(delayed(fit)(*task) for task in tasks)
    return _best(combinations, values, FOLDS, metric, direction)


def expand(given: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the grid, checked. Raises ``BadParameter``."""
    if not grid or not all(isinstance(values, Sequence) and not isinstance(values, str) for values in grid.values()):
        raise BadParameter("the grid to search must hold a list of values a parameter", hint="alpha = [0.1, 1.0]")
    count = math.prod(len(values) for values in grid.values())
    if not 0 < count <= LIMIT:
        raise BadParameter(f"the grid to search has {count} combinations; 1 to {LIMIT} are allowed")
    names = sorted(grid)
    return [
        resolve(estimator.PARAMETERS, {**given, **dict(zip(names, values, strict=True))})
        for values in itertools.product(*(grid[name] for name in names))
    ]


def _folds(rows: Any, truth: Any, seed: int) -> list[tuple[Any, Any]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if dataset.TASK == "classification" else KFold
    try:
        return list(kind(FOLDS, shuffle=True, random_state=seed).split(rows, truth))
    except ValueError as error:
        raise TrainingFailed(f"{len(rows)} rows cannot be cross-validated: {error}", hint="give more rows") from error


@dataclass(frozen=True, eq=False)
class _Fit:
    """Fits on one fold. Carries its data itself: arguments would be scattered by joblib's Dask backend, and scattered
    data is lost with the worker that holds it, where a task is only run again elsewhere."""

    rows: Any
    truth: Any
    folds: tuple[tuple[Any, Any], ...]
    seed: int
    metric: str

    def __call__(self, parameters: Mapping[str, Any], fold: int) -> float | str:
        """The metric on one fold, or what went wrong."""
        seen, held_out = self.folds[fold]
        try:
            with training.steady():
                fitted = estimator.build(parameters, self.seed).fit(self.rows[seen], self.truth[seen])
                predicted = fitted.predict(self.rows[held_out])
            return metrics.measure(dataset.TASK, self.truth[held_out], predicted).values[self.metric]
        except Exception as error:  # whatever a user's estimator raises: the other combinations go on
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _best(
    combinations: Sequence[Mapping[str, Any]], values: Sequence[float | str], folds: int, metric: str, direction: str
) -> Found:
    sign = 1 if direction == "lower" else -1
    best: tuple[float, int] | None = None
    failed, cause = 0, ""
    for number in range(len(combinations)):
        scores = values[number * folds : (number + 1) * folds]
        numbers = [score for score in scores if not isinstance(score, str)]
        if len(numbers) < folds:
            failed += 1
            cause = cause or next(score for score in scores if isinstance(score, str))
            continue
        key = (sign * sum(numbers) / folds, number)
        best = key if best is None or key < best else best
    if best is None:
        raise TrainingFailed(f"none of {len(combinations)} combinations could be fitted: {cause}")
    return Found(combinations[best[1]], sign * best[0], metric, len(combinations), folds, failed)
