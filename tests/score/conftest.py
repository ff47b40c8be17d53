"""Model folders and entry scripts for the tests of the scoring host."""

from __future__ import annotations

import importlib.metadata
import json
import operator
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from tests.score.hosts import KIT, Host, host

ENTRY = str(KIT / "score" / "score.py")


def write_model(folder: Path, model: Any, rows: np.ndarray, **manifest: Any) -> Path:
    """A model folder as the kit registers it."""
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    answer = {"result": np.asarray(model.predict(rows)).tolist()}
    golden = {"request": {"data": rows.tolist()}, "response": answer, "rtol": 1e-6}
    (folder / "golden.json").write_text(json.dumps(golden))
    document = {
        "schema_version": 1,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "libraries": {name: importlib.metadata.version(name) for name in ("scikit-learn", "numpy")},
        "features": [f"x{i}" for i in range(rows.shape[1])],
        "fast_path": None,
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="session")
def diabetes() -> tuple[Any, np.ndarray]:
    """A fitted Ridge, and rows of its data."""
    rows, target = load_diabetes(return_X_y=True)
    return Ridge(alpha=0.4).fit(rows, target), rows


@pytest.fixture
def diabetes_dir(tmp_path: Path, diabetes: tuple[Any, np.ndarray]) -> Path:
    """AZUREML_MODEL_DIR with the diabetes model in it: a host takes seconds to load scikit-learn."""
    write_model(tmp_path / "models" / "diabetes", diabetes[0], diabetes[1][:2])
    return tmp_path / "models"


@pytest.fixture(scope="session")
def line() -> Any:
    """A model that needs no more than NumPy, for tests to which it does not matter what predicts."""
    return SimpleNamespace(predict=operator.methodcaller("dot", np.linspace(-1.0, 1.0, 10)))


@pytest.fixture
def model_dir(tmp_path: Path, line: Any) -> Path:
    """AZUREML_MODEL_DIR with the line in it."""
    write_model(tmp_path / "models" / "line", line, np.arange(20.0).reshape(2, 10))
    return tmp_path / "models"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, diabetes: tuple[Any, np.ndarray]) -> Iterator[Host]:
    """A host with the diabetes model, for all tests that only send requests."""
    folder = tmp_path_factory.mktemp("served")
    write_model(folder / "diabetes", diabetes[0], diabetes[1][:2])
    with host("--entry-script", ENTRY, "--model-dir", str(folder)) as running:
        yield running


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes an entry script and gives its path."""

    def write(text: str, name: str = "entry.py") -> str:
        path = tmp_path / "project" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write
