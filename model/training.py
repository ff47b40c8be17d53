"""Training: split, fit, measure. The same data, parameters, seed and library versions give the same model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model import dataset, estimator, metrics
from model.errors import BadParameter, ModelError, TrainingFailed
from model.parameters import resolve

if TYPE_CHECKING:
    import numpy
    import pandas


@dataclass(frozen=True)
class Trained:
    """A fitted estimator and how it did on the rows that it has not seen."""

    estimator: Any
    parameters: Mapping[str, Any]
    scores: metrics.Scores
    holdout: pandas.DataFrame
    """Features and target, shape (n, features + 1)."""
    predictions: numpy.ndarray[Any, Any]
    """Shape (n,), in the target's unit, or class labels."""
    split: str
    """What the split depends on besides the data."""


def matrix(frame: pandas.DataFrame) -> numpy.ndarray[Any, Any]:
    """Features as a request gives them: float64 of shape (n, features).

    Raises
    ------
    model.errors.TrainingFailed
        A feature's categories are text; the scoring program takes numbers only.
    """
    import numpy

    for column in dataset.FEATURES:
        if not column.numeric:
            raise TrainingFailed(
                f"feature {column.name} is text; a scoring request holds numbers only",
                hint="give its categories numbers, and encode them in model/features.py",
            )
    table = frame[[column.name for column in dataset.FEATURES]]
    return numpy.ascontiguousarray(table, dtype=numpy.float64)  # rows together, as in a request


def split(frame: pandas.DataFrame, *, seed: int, test_size: float) -> tuple[pandas.DataFrame, pandas.DataFrame, str]:
    """Rows to train on, rows held out, and what identifies the split. Classes are spread evenly over both."""
    from sklearn.model_selection import train_test_split

    if isinstance(test_size, bool) or not 0 < test_size < 1:
        raise BadParameter(f"test_size is {test_size}; it must be between 0 and 1, such as 0.2")
    if not 0 <= seed < 2**32:
        raise BadParameter(f"seed is {seed}; it must be from 0 to {2**32 - 1}")
    classes = frame[dataset.TARGET.name] if dataset.TASK == "classification" else None
    try:
        train, test = train_test_split(frame, test_size=test_size, random_state=seed, stratify=classes)
    except ValueError as error:
        raise TrainingFailed(
            f"{len(frame)} rows cannot be split with test_size {test_size}: {error}",
            hint="give more rows, at least two of each class",
        ) from error
    name = f"random/1: test_size={test_size!r} seed={seed}" + (" stratified" if classes is not None else "")
    return train.reset_index(drop=True), test.reset_index(drop=True), name


def train(frame: pandas.DataFrame, parameters: Mapping[str, Any], *, seed: int = 42, test_size: float = 0.2) -> Trained:
    """Fit on one part of a checked table and measure on the other.

    Parameters
    ----------
    frame : DataFrame
        Checked by :func:`model.contract.check`: features and target.
    parameters : mapping
        Overrides of the defaults in ``model/estimator.py``.
    seed : int
        Of the split and of everything random in the estimator, 0 to 2**32 - 1.
    test_size : float
        Share of the rows that is held out, between 0 and 1.

    Raises
    ------
    model.errors.BadParameter
        A parameter is unknown or out of range, before anything is fitted.
    model.errors.TrainingFailed
        The estimator raised, or a metric is not finite (``MetricNotFinite``).
    """
    chosen = resolve(estimator.PARAMETERS, parameters)
    seen, held_out, split_name = split(frame, seed=seed, test_size=test_size)
    with steady(), explained(f"training with {chosen}"):
        fitted = estimator.build(chosen, seed).fit(matrix(seen), target(seen))
        predictions = fitted.predict(matrix(held_out))
    scores = metrics.measure(dataset.TASK, target(held_out), predictions)
    return Trained(fitted, chosen, scores, held_out, predictions, split_name)


def target(frame: pandas.DataFrame) -> numpy.ndarray[Any, Any]:
    """The column to predict, shape (n,); whole numbers where they are classes."""
    values = frame[dataset.TARGET.name]
    if dataset.TASK == "classification" and dataset.TARGET.numeric:
        return values.to_numpy(dtype="int64")
    return values.to_numpy()


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """Linear algebra on one thread: how many there are changes the order of sums, and with it the last bits."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what an estimator raises into ``TrainingFailed`` with the cause in one line."""
    try:
        yield
    except ModelError:
        raise
    except MemoryError as error:
        raise TrainingFailed(f"{doing}: out of memory", hint="use fewer rows or a smaller model") from error
    except Exception as error:  # whatever a user's estimator raises
        text = " ".join(str(error).split())[:300]
        raise TrainingFailed(
            f"{doing} failed: {type(error).__name__}: {text}", hint="look at model/estimator.py and model/features.py"
        ) from error
