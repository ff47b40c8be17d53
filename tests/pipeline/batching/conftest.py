"""A trained model folder and the options to score with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest

from model import artifact, contract, dataset, training
from pipeline.batching.host import HostSpec, close_all
from pipeline.batching.job import BatchOptions, features_of
from pipeline.provenance import ROOT

COLUMNS = (*dataset.FEATURES, dataset.TARGET)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
    trained = training.train(frame, {})
    root = tmp_path_factory.mktemp("served")
    artifact.write(root / "model", trained.estimator, training.matrix(trained.holdout), lock_digest=None)
    return root


@pytest.fixture(scope="module", autouse=True)
def _no_program_is_left() -> Iterator[None]:
    yield
    close_all()


@pytest.fixture
def make_options(model_dir: Path) -> Callable[..., BatchOptions]:
    def make(**changes: Any) -> BatchOptions:
        values: dict[str, Any] = {
            "spec": HostSpec(str(ROOT), "score/score.py", str(model_dir)),
            "features": features_of(model_dir / "model"),
            "model": "diabetes:1",
            "model_digest": "sha256:1",
            "chunk_rows": 50,
            "jobs": 2,
        }
        return BatchOptions(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def expected(model_dir: Path) -> list[float]:
    frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
    predictions: list[float] = artifact.load(model_dir / "model").predict(training.matrix(frame)).tolist()
    return predictions


@pytest.fixture
def sample() -> pandas.DataFrame:
    return dataset.sample()
