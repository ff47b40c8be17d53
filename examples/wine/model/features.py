"""A transformer of one's own. It travels with the model: only what ``requirements/score.in`` names may be imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from sklearn.base import BaseEstimator, TransformerMixin


class Ratios(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Append the ratios of some pairs of columns.

    Parameters
    ----------
    pairs : sequence of (int, int)
        Positions of numerator and denominator.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]] = ()) -> None:
        self.pairs = pairs

    def fit(self, x: Any, y: Any = None) -> Ratios:
        """Remember how many columns there are; nothing else is learned."""
        self.n_features_in_ = numpy.asarray(x).shape[1]
        return self

    def transform(self, x: Any) -> numpy.ndarray[Any, Any]:
        """Append one column a pair; a zero denominator counts as the smallest measurable amount, 0.01."""
        rows = numpy.asarray(x, dtype=float)
        ratios = [rows[:, over] / numpy.maximum(rows[:, under], 0.01) for over, under in self.pairs]
        return numpy.column_stack([rows, *ratios])
