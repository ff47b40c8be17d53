"""Model folders and entry scripts for the tests of the scoring host."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

from tests.score.hosts import KIT

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
def model_dir(tmp_path: Path, diabetes: tuple[Any, np.ndarray]) -> Path:
    """AZUREML_MODEL_DIR with the diabetes model in it."""
    write_model(tmp_path / "models" / "diabetes", diabetes[0], diabetes[1][:2])
    return tmp_path / "models"


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Writes an entry script and gives its path."""

    def write(text: str, name: str = "entry.py") -> str:
        path = tmp_path / "project" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write
