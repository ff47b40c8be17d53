"""Yours to replace: the parameters of training, and the estimator that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.parameters import Parameter

PARAMETERS = {
    "alpha": Parameter(0.95, minimum=0.0, maximum=1e6, doc="strength of the L2 penalty"),
}
"""What ``[train.parameters]`` in ``mlops.toml`` and ``mlops train -p NAME=VALUE`` may set."""

SEARCH: Mapping[str, list[Any]] = {"alpha": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]}
"""The values that ``mlops train --search`` tries, every combination of them."""


def build(parameters: Mapping[str, Any], seed: int) -> Any:
    """Make the unfitted scikit-learn estimator.

    Parameters
    ----------
    parameters : mapping
        One checked value for each name in `PARAMETERS`.
    seed : int
        For everything that is random: the same data, parameters and seed must give the same model.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=parameters["alpha"], random_state=seed))
