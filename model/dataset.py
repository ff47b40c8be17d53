"""Yours to replace: which columns there are, what is predicted, and sample data to start with.

The sample is the diabetes data of Efron, Hastie, Johnstone and Tibshirani, "Least Angle Regression" (2004), as
scikit-learn carries it: 442 patients, ten baseline measurements in their own units, and a measure of how far the
disease had progressed one year later. https://scikit-learn.org/stable/datasets/toy_dataset.html#diabetes-dataset
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.contract import Column

if TYPE_CHECKING:
    import pandas

NAME = "diabetes"
"""The data set's name where none is configured."""

TASK = "regression"
"""``regression`` or ``classification``."""

FEATURES = (
    Column("age", minimum=0, maximum=120),  # years
    Column("sex", categories=(1, 2)),
    Column("bmi", minimum=10, maximum=80),  # body mass index, kg/m2
    Column("bp", minimum=30, maximum=250),  # mean blood pressure, mmHg
    Column("s1", minimum=50, maximum=500),  # total cholesterol, mg/dl
    Column("s2", minimum=10, maximum=400),  # low-density lipoproteins, mg/dl
    Column("s3", minimum=5, maximum=150),  # high-density lipoproteins, mg/dl
    Column("s4", minimum=1, maximum=20),  # total cholesterol / HDL
    Column("s5", minimum=2, maximum=8),  # log of triglycerides
    Column("s6", minimum=30, maximum=500),  # blood sugar, mg/dl
)
"""In the order in which a scoring request gives them."""

TARGET = Column("progression", minimum=0)


def sample() -> pandas.DataFrame:
    """Sample data: one row an example, the feature columns, then the target."""
    from sklearn.datasets import load_diabetes

    features, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    table: pandas.DataFrame = features.assign(**{TARGET.name: target})
    return table
