"""Ratios of phenols, then a logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.parameters import Parameter

PARAMETERS = {
    "c": Parameter(1.0, minimum=1e-6, maximum=1e6, doc="inverse strength of the L2 penalty"),
}

SEARCH: Mapping[str, list[Any]] = {"c": [0.01, 0.1, 1.0, 10.0]}


def build(parameters: Mapping[str, Any], seed: int) -> Any:
    """Make the unfitted estimator."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from model.features import Ratios

    flavanoids, phenols, nonflavanoids = 6, 5, 7
    return make_pipeline(
        Ratios(pairs=[(flavanoids, phenols), (nonflavanoids, flavanoids)]),
        StandardScaler(),
        LogisticRegression(C=parameters["c"], max_iter=1000, random_state=seed),
    )
