"""The sample as a checked table and as a CSV file."""

from __future__ import annotations

import operator
from pathlib import Path
from types import SimpleNamespace

import numpy
import pandas
import pytest

from model import artifact, contract, dataset, training

COLUMNS = (*dataset.FEATURES, dataset.TARGET)


@pytest.fixture(scope="session")
def _sample() -> pandas.DataFrame:
    return dataset.sample()


@pytest.fixture
def sample(_sample: pandas.DataFrame) -> pandas.DataFrame:
    return _sample.copy()


@pytest.fixture
def csv(sample: pandas.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    sample.to_csv(path, index=False, lineterminator="\n")
    return path


@pytest.fixture
def frame(sample: pandas.DataFrame) -> pandas.DataFrame:
    return contract.check(sample, COLUMNS).require("the sample")


@pytest.fixture(scope="session")
def trained(_sample: pandas.DataFrame) -> training.Trained:
    return training.train(contract.check(_sample, COLUMNS).require("the sample"), {})


@pytest.fixture
def folder(trained: training.Trained, tmp_path: Path) -> Path:
    rows = training.matrix(trained.holdout)
    return artifact.write(tmp_path / "model", trained.estimator, rows, lock_digest="sha256:" + "0" * 64)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A folder whose model needs NumPy alone: a child takes seconds to load scikit-learn, whatever the test is of."""
    model = SimpleNamespace(predict=operator.methodcaller("dot", numpy.linspace(-1.0, 1.0, len(dataset.FEATURES))))
    rows = numpy.arange(60.0).reshape(6, len(dataset.FEATURES))
    return artifact.write(tmp_path / "line", model, rows, lock_digest="sha256:" + "0" * 64)
