from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest

from model import artifact, isolated, training
from model.errors import ArtifactUnreadable, Incompatible


class Loud:
    """An estimator that runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __setstate__(self, state: dict[str, Any]) -> None:
        state["marker"].write_text(str(os.getpid()))
        self.__dict__.update(state)


def change(folder: Path, name: str, **changes: Any) -> None:
    document = json.loads((folder / name).read_text())
    document.update(changes)
    (folder / name).write_text(json.dumps(document))


def test_the_folder(folder: Path) -> None:
    assert sorted(item.name for item in folder.iterdir()) == ["golden.json", "manifest.json", "model.joblib"]
    manifest = artifact.read_manifest(folder)
    assert manifest["features"] == ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    assert manifest["python"] == artifact.python_minor()
    assert manifest["code"] == ["model"]
    assert manifest["libraries"]["scikit-learn"]
    golden = json.loads((folder / "golden.json").read_text())
    assert len(golden["request"]["data"]) == len(golden["response"]["result"]) == artifact.GOLDEN_ROWS


def test_the_golden_response_is_what_the_model_answers(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    model = artifact.load(folder)
    assert model.predict(numpy.array(golden["request"]["data"])).tolist() == golden["response"]["result"]


def test_a_child_measures_what_training_measured(folder: Path, trained: training.Trained, tmp_path: Path) -> None:
    holdout = tmp_path / "holdout.csv"
    trained.holdout.to_csv(holdout, index=False)
    loaded = isolated.score(folder, holdout)
    assert loaded.scores == trained.scores
    assert loaded.notes == ()


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "manifest.json"])
def test_a_file_is_missing(line: Path, name: str) -> None:
    (line / name).unlink()
    with pytest.raises(ArtifactUnreadable, match=name):
        isolated.score(line)


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "manifest.json"])
def test_a_file_is_truncated(line: Path, name: str) -> None:
    path = line / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactUnreadable):
        isolated.score(line)


def test_another_python(line: Path) -> None:
    change(line, "manifest.json", python="3.9")
    with pytest.raises(Incompatible, match=r"made with Python 3\.9"):
        isolated.score(line, strict=True)


def test_another_library_version(line: Path) -> None:
    manifest = artifact.read_manifest(line)
    change(line, "manifest.json", libraries={**manifest["libraries"], "scikit-learn": "0.1", "absent": "1"})
    with pytest.raises(Incompatible, match=r"made with scikit-learn 0\.1, here is .*made with absent 1, here is none"):
        isolated.score(line, strict=True)


def test_another_library_version_is_tolerated_when_the_golden_prediction_is_reproduced(line: Path) -> None:
    manifest = artifact.read_manifest(line)
    change(line, "manifest.json", libraries={**manifest["libraries"], "numpy": "0.1"})
    assert "made with numpy 0.1" in isolated.score(line).notes[0]


def test_a_golden_prediction_that_is_not_reproduced(line: Path) -> None:
    change(line, "golden.json", response={"result": [1.0] * artifact.GOLDEN_ROWS})
    with pytest.raises(ArtifactUnreadable, match="does not reproduce its golden prediction"):
        isolated.score(line)


def test_a_newer_schema(line: Path) -> None:
    change(line, "manifest.json", schema_version=2)
    with pytest.raises(ArtifactUnreadable, match="schema version 2"):
        artifact.read_manifest(line)


def test_code_that_is_missing(line: Path) -> None:
    # Protocol 2 opcodes of a reference to a class in a module that is nowhere.
    (line / "model.joblib").write_bytes(b"\x80\x02cnowhere_at_all\nThing\n.")
    with pytest.raises(ArtifactUnreadable, match="No module named 'nowhere_at_all'"):
        isolated.score(line)


def test_a_model_that_ends_its_process(line: Path) -> None:
    (line / "model.joblib").write_bytes(b"\x80\x02cos\n_exit\n(K\x09tR.")
    with pytest.raises(ArtifactUnreadable, match="ended with code 9"):
        isolated.score(line)


def test_a_model_that_hangs(line: Path) -> None:
    (line / "model.joblib").write_bytes(b"\x80\x02ctime\nsleep\n(M\x10\x0etR.")
    with pytest.raises(ArtifactUnreadable, match="within 3 s"):
        isolated.score(line, timeout=3)


def test_a_model_that_prints_while_it_loads(line: Path) -> None:
    (line / "model.joblib").write_bytes(b"\x80\x02cbuiltins\nprint\n(X\x02\x00\x00\x00{}tR.")
    with pytest.raises(ArtifactUnreadable, match="does not load"):
        isolated.score(line)


def test_nothing_is_unpickled_here(line: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    joblib.dump(Loud(marker), line / "model.joblib")
    artifact.read_manifest(line)
    with pytest.raises(ArtifactUnreadable):
        isolated.score(line)
    assert marker.read_text() != str(os.getpid())  # the model's code has run, in the child


def test_features_that_differ(line: Path, trained: training.Trained, tmp_path: Path) -> None:
    change(line, "manifest.json", features=["a", "b"])
    holdout = tmp_path / "holdout.csv"
    trained.holdout.to_csv(holdout, index=False)
    with pytest.raises(ArtifactUnreadable, match="needs the features a, b"):
        isolated.score(line, holdout)


def test_credentials_do_not_reach_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP_APP_SECRET", "hunter2")
    assert "SP_APP_SECRET" not in isolated._environment()
