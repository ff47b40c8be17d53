"""The fast path: which estimators it takes, that it agrees with predict, that it refuses all else."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model, preprocessing, svm
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

from score.fastpath import NotCovered, arithmetic, compare, translate
from tests.score.client import score
from tests.score.conftest import ENTRY, write_model
from tests.score.hosts import KIT, host

ROWS, TARGET = load_diabetes(return_X_y=True)
FLOWERS, KINDS = load_iris(return_X_y=True)
TWO = FLOWERS[:100], KINDS[:100]
NAMES = np.array(["setosa", "versicolor", "virginica"])[KINDS]


pytestmark = pytest.mark.slow


class Doubled(linear_model.Ridge):
    """A subclass may do anything."""

    def predict(self, X: Any) -> Any:
        return 2 * super().predict(X)


COVERED = {
    "linear": (linear_model.LinearRegression(), ROWS, TARGET),
    "ridge": (linear_model.Ridge(alpha=0.4), ROWS, TARGET),
    "no intercept": (linear_model.Ridge(fit_intercept=False), ROWS, TARGET),
    "lasso": (linear_model.Lasso(alpha=0.1), ROWS, TARGET),
    "huber": (linear_model.HuberRegressor(max_iter=2000), ROWS, TARGET),
    "bayesian": (linear_model.BayesianRidge(), ROWS, TARGET),
    "sgd": (linear_model.SGDRegressor(random_state=0), ROWS, TARGET),
    "two targets": (linear_model.Ridge(), ROWS, np.c_[TARGET, -TARGET]),
    "one column": (linear_model.Ridge(), ROWS[:, :1], TARGET),
    "standard": (make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()), ROWS, TARGET),
    "standard, no mean": (
        make_pipeline(preprocessing.StandardScaler(with_mean=False), linear_model.Ridge()),
        ROWS,
        TARGET,
    ),
    "standard, no scale": (
        make_pipeline(preprocessing.StandardScaler(with_std=False), linear_model.Ridge()),
        ROWS,
        TARGET,
    ),
    "minmax": (make_pipeline(preprocessing.MinMaxScaler((-1, 2)), linear_model.Ridge()), ROWS, TARGET),
    "minmax clipped": (make_pipeline(preprocessing.MinMaxScaler(clip=True), linear_model.Ridge()), ROWS, TARGET),
    "maxabs": (make_pipeline(preprocessing.MaxAbsScaler(), linear_model.Ridge()), ROWS, TARGET),
    "two scalers": (
        make_pipeline(
            preprocessing.MaxAbsScaler(), "passthrough", preprocessing.StandardScaler(), linear_model.Ridge()
        ),
        ROWS,
        TARGET,
    ),
    "logistic, three": (linear_model.LogisticRegression(max_iter=1000), FLOWERS, KINDS),
    "logistic, two": (linear_model.LogisticRegression(max_iter=1000), *TWO),
    "logistic, names": (linear_model.LogisticRegression(max_iter=1000), FLOWERS, NAMES),
    "logistic, booleans": (linear_model.LogisticRegression(max_iter=1000), TWO[0], TWO[1] == 1),
    "ridge classifier": (linear_model.RidgeClassifier(), FLOWERS, KINDS),
    "linear svc": (svm.LinearSVC(), FLOWERS, KINDS),
    "scaled logistic": (
        make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
        FLOWERS,
        NAMES,
    ),
}
REFUSED = {
    "forest": RandomForestRegressor(2, random_state=0),
    "subclass": Doubled(),
    "target": TransformedTargetRegressor(linear_model.Ridge()),
    "poisson": linear_model.PoissonRegressor(),
    "polynomial": make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
    "function": make_pipeline(preprocessing.FunctionTransformer(np.abs), linear_model.Ridge()),
    "inner pipeline": make_pipeline(make_pipeline(preprocessing.StandardScaler()), linear_model.Ridge()),
}


def fit(model: Any, rows: Any, target: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, target)


@pytest.mark.parametrize("name", COVERED)
def test_covered_estimators_agree_with_predict(name: str) -> None:
    model, rows, target = COVERED[name]
    fit(model, rows, target)
    program = json.loads(json.dumps(translate(model)))  # as it is after the manifest
    compare(program, model, rows)
    expected = model.predict(rows)
    actual = arithmetic(program)(rows)
    assert actual.shape == expected.shape
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)
    else:
        assert (actual == expected).all()


@pytest.mark.parametrize("name", REFUSED)
def test_everything_else_is_refused(name: str) -> None:
    with pytest.raises(NotCovered):
        translate(fit(REFUSED[name], ROWS, TARGET))


def test_single_precision_is_refused() -> None:
    model = linear_model.Ridge().fit(ROWS.astype(np.float32), TARGET.astype(np.float32))
    with pytest.raises(NotCovered, match="float32"):
        translate(model)


def test_a_wrong_program_is_found_out() -> None:
    model = linear_model.Ridge().fit(ROWS, TARGET)
    program = translate(model)
    program["steps"][0]["coef"][3] *= 1 + 1e-6
    with pytest.raises(NotCovered, match="differ"):
        compare(program, model, ROWS)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "score.fastpath", *arguments]
    return subprocess.run(command, cwd=KIT, capture_output=True, text=True, check=False)


def test_command_writes_the_manifest_and_the_host_uses_it(diabetes_dir: Path) -> None:
    folder = diabetes_dir / "diabetes"
    first = run(str(folder))
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["fast_path"] is True
    assert run("--check", str(folder)).returncode == 0
    before = (folder / "manifest.json").read_bytes()
    assert json.loads(run(str(folder)).stdout)["changed"] is False
    assert (folder / "manifest.json").read_bytes() == before
    (folder / "model.joblib").write_bytes(b"never loaded when the fast path serves")
    with host("--entry-script", ENTRY, "--model-dir", str(diabetes_dir)) as running:
        assert running.ready["golden"] == "reproduced"
        expected = linear_model.Ridge(alpha=0.4).fit(ROWS, TARGET).predict(ROWS[:50])
        np.testing.assert_allclose(score(running.port, {"data": ROWS[:50].tolist()}).json()["result"], expected)


def test_ordinary_path_on_request(diabetes_dir: Path) -> None:
    assert run(str(diabetes_dir / "diabetes")).returncode == 0
    with host("--entry-script", ENTRY, "--model-dir", str(diabetes_dir), env={"MLOPS_SCORE_FAST_PATH": "0"}) as running:
        assert score(running.port, {"data": ROWS[:1].tolist()}).status == 200


def test_a_fast_path_that_is_wrong_does_not_start(diabetes_dir: Path) -> None:
    from tests.score.test_start import refused

    path = diabetes_dir / "diabetes" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["fast_path"] = translate(linear_model.Ridge(alpha=0.5).fit(ROWS, TARGET))
    path.write_text(json.dumps(manifest))
    status, log = refused("--entry-script", ENTRY, "--model-dir", str(diabetes_dir))
    assert status == 3
    assert "golden prediction is not reproduced" in log


def test_command_on_an_uncovered_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", fit(REFUSED["forest"], ROWS, TARGET), ROWS[:2])
    done = run(str(folder))
    assert done.returncode == 0
    assert json.loads(done.stdout)["fast_path"] is False
    assert json.loads((folder / "manifest.json").read_text())["fast_path"] is None


def test_check_fails_when_the_manifest_lags(diabetes_dir: Path) -> None:
    before = (diabetes_dir / "diabetes" / "manifest.json").read_bytes()
    assert run("--check", str(diabetes_dir / "diabetes")).returncode == 5
    assert (diabetes_dir / "diabetes" / "manifest.json").read_bytes() == before
