"""``docs/your-own-model.md`` holds: three files and the settings are replaced, and everything else works unchanged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.provenance import ROOT

pytestmark = pytest.mark.slow

ROOMS = ("model", "pipeline", "registry", "deploy", "mlops", "score", "requirements")


class Project:
    """A copy of this project whose model is another."""

    def __init__(self, folder: Path, target: str = "process") -> None:
        self.folder = folder
        self.target = target
        for room in ROOMS:
            shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "examples" / "wine", folder, dirs_exist_ok=True)

    def mlops(self, *arguments: str, code: int = 0) -> Any:
        env = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        done = subprocess.run(
            [sys.executable, "-m", "mlops", *arguments, "-o", "json"],
            cwd=self.folder,
            env={**env, "MLOPS_SERVICES_TARGET": self.target},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout) if done.stdout else None


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "wine")
    yield made
    made.mlops("services", "stop", "--all")


def test_only_the_files_that_the_page_names_are_replaced() -> None:
    replaced = sorted(
        item.relative_to(ROOT / "examples" / "wine").as_posix()
        for item in (ROOT / "examples" / "wine").rglob("*")
        if item.is_file() and "__pycache__" not in item.parts
    )
    assert replaced == ["mlops.toml", "model/dataset.py", "model/estimator.py", "model/features.py"]
    page = (ROOT / "docs" / "your-own-model.md").read_text()
    assert all(f"`{name}`" in page for name in replaced)


def test_a_classifier_with_a_transformer_of_its_own_goes_through_the_same_flow(project: Project) -> None:
    first = project.mlops("run")
    assert (first["decision"], first["model"]) == ("promote", "wine:1")
    assert set(first["metrics"]) == {"accuracy", "balanced_accuracy", "f1_macro"}
    assert first["metrics"]["f1_macro"] > 0.9
    assert {stage: item["version"] for stage, item in first["services"].items()} == {
        "qa": "wine:1",
        "production": "wine:1",
    }
    # the service answers class labels
    data = [[13.48, 1.81, 2.41, 20.5, 100.0, 2.7, 2.98, 0.26, 1.86, 5.1, 1.04, 3.47, 920.0]]
    answer = project.mlops("services", "invoke", "wine-production", "--data", json.dumps({"data": data}))
    assert json.loads(answer["body"]) == {"result": [0]}
    # and again: not better, so production is kept
    second = project.mlops("run")
    assert (second["decision"], second["model"], second["previous"]) == ("keep", None, "wine:1")
    # batch scoring with the same entry script
    table = project.folder / "in.csv"
    project.mlops("data", "show", "wine:1")
    names = ",".join(column for column in manifest(project)["features"])
    table.write_text(names + "\n" + ",".join(map(str, data[0])) + "\n")
    report = project.mlops("batch", "--input", str(table), "--output", str(project.folder / "out.csv"))
    assert (report["model"], report["rows"], report["bad_rows"]) == ("wine:1", 1, 0)
    assert (project.folder / "out.csv").read_text().splitlines()[1].endswith(",0")


def manifest(project: Project) -> Any:
    path, *_ = (project.folder / ".mlops" / "pipelines" / "runs").glob("*/train/output/model/manifest.json")
    return json.loads(path.read_text())


def test_bad_input_of_the_other_model(project: Project) -> None:
    bad = project.folder / "bad.csv"
    bad.write_text("alcohol,grower\n13,0\n")
    report = project.mlops("data", "check", str(bad), code=5)
    assert {item["rule"] for item in report["violations"]} == {"columns", "rows"}
    project.mlops("train", "-p", "c=-1", code=5)
