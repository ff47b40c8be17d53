"""The commands of this room, through the program's own entry point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops.__main__ import run as mlops
from model import dataset
from pipeline.provenance import ROOT

Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command on a state of the test's own; gives the JSON document."""
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("MLOPS_PIPELINE_ALLOW_REUSE", "true")
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning:click")

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        got = mlops([*arguments, "--project", str(ROOT), "-o", "json"])
        said = capsys.readouterr()
        assert got == code, f"{arguments}: {got}\n{said.out}\n{said.err}"
        return json.loads(said.out) if said.out.strip() else None

    return call


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    dataset.sample().to_csv(path, index=False)
    return path


def test_data(call: Call, csv: Path, tmp_path: Path) -> None:
    assert call("data", "list") == []
    assert call("data", "check", str(csv)) == {"data": str(csv), "rows": 442, "valid": True, "violations": []}
    assert call("data", "list") == []
    assert call("data", "register", str(csv))["version"] == "1"
    assert call("data", "register", str(csv))["version"] == "1"
    shifted = tmp_path / "shifted.csv"
    dataset.sample().assign(bp=lambda table: table["bp"] + 30).to_csv(shifted, index=False)
    (violation,) = call("data", "check", str(shifted), code=5)["violations"]
    assert (violation["column"], violation["rule"]) == ("bp", "distribution")
    call("data", "register", str(shifted), code=5)
    assert call("data", "register", str(shifted), "--allow-shift")["version"] == "2"
    assert [item["version"] for item in call("data", "list")] == ["2", "1"]
    assert call("data", "show", "diabetes:1")["profile"]["rows"] == 442
    assert call("data", "show")["version"] == "2"
    call("data", "show", "diabetes:9", code=3)
    call("data", "show", "diabetes:x", code=2)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 3, "no data file"),
        ("", 5, "no header line"),
        ("a,b\n1,2,3\n", 5, "more cells"),
        ("age,sex\n1,1\n", 5, None),
    ],
)
def test_data_check_of_what_is_no_data(
    call: Call, tmp_path: Path, text: str | None, code: int, words: str | None
) -> None:
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    document = call("data", "check", str(path), code=code)
    if words is not None:
        assert words in document["error"]["message"]
        assert str(path) in document["error"]["message"]


@pytest.mark.slow
def test_train_evaluate_register_one_by_one(call: Call, tmp_path: Path) -> None:
    assert call("evaluate", code=3)["error"]["hint"] == "mlops train"
    trained = call("train", "-p", "alpha=2.5", "--seed", "3")
    assert trained["train"]["parameters"] == {"alpha": 2.5}
    assert call("models", "list") == []
    verdict = call("evaluate")
    assert (verdict["decision"], verdict["rescored"]) == ("promote", False)
    assert call("register")["model"] == "diabetes:1"
    assert call("register")["model"] == "diabetes:1"  # the same candidate is the same version
    # metrics that are no ground for a decision
    error = call("evaluate", "--metric", "auc", code=5)["error"]
    assert "no metric 'auc'" in error["message"]
    assert error["hint"]
    # reports
    html = tmp_path / "report.html"
    call("runs", "report", "diabetes:1", "--html", str(html))
    assert "Predicted against true" in html.read_text()
    runs = call("runs", "list")
    assert [item["decision"] for item in runs[-2:]] == ["promote", None]
    assert runs[0]["state"] == "Failed"
    assert call("runs", "list", "--state", "Failed")[0]["run_id"] == runs[0]["run_id"]
    shown = call("runs", "show", trained["run_id"])
    assert [step["name"] for step in shown["steps"]] == ["check_data", "train"]
    assert shown["parameters"]["alpha"] == 2.5
    assert "held out" in call("runs", "logs", trained["run_id"])["logs"]
    compared = call("runs", "compare", "--html", str(tmp_path / "compare.html"))
    assert len(compared) == 4
    assert "Metrics over runs" in (tmp_path / "compare.html").read_text()
    call("runs", "show", "nothing", code=3)


@pytest.mark.slow
def test_the_pipeline_of_a_build_and_its_model(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    assert call("pipeline", "model", "--build-id", "7")["model"] is None
    done = call("pipeline", "run", "--build-id", "7", "--tag", "why=test")
    assert (done["state"], done["decision"], done["model"]) == ("Completed", "promote", "diabetes:1")
    document = call("pipeline", "model", "--build-id", "7", "--file", str(file))
    assert json.loads(file.read_text()) == document
    assert (document["model"], document["version"]) == ("diabetes:1", "1")
    assert document["digest"].startswith("sha256:")
    assert call("pipeline", "status", done["run_id"])["steps"] == done["steps"]
    assert "442 rows" in call("pipeline", "logs", done["run_id"], "--step", "check_data")["logs"]
    call("pipeline", "cancel", done["run_id"], code=4)
    call("pipeline", "status", "nothing", code=3)
    call("pipeline", "publish", code=2)
    assert call("pipeline", "publish", "--build-id", "8")["build_id"] == "8"
    assert [item["build_id"] for item in call("pipeline", "list")] == ["8"]
    call("pipeline", "run", "--published", "--build-id", "9", code=3)
    submitted = call("pipeline", "run", "--published", "--build-id", "8", "--no-wait")
    ended = call("pipeline", "wait", submitted["run_id"])
    assert (ended["state"], ended["published"]) == ("Completed", "diabetes-training-pipeline-8")
    assert ended["steps"][1]["reused"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-p", "alpha=-1"), 5, "alpha is -1; it must not be less than 0"),
        (("-p", "alpha=much"), 5, "must be a number"),
        (("-p", "beta=1"), 5, "no training parameter 'beta'"),
        (("-p", "alpha"), 2, "is not NAME=VALUE"),
        (("--data", "none.csv"), 3, "no data file"),
        (("--data-version", "9"), 3, "9"),
        (("--search", "--joblib-backend", "dask"), 5, "where is the dask cluster"),
    ],
)
def test_train_with_bad_input(call: Call, arguments: tuple[str, ...], code: int, words: str) -> None:
    error = call("train", *arguments, code=code)["error"]
    assert words in error["message"]
    assert "\n" not in error["message"]
    assert call("models", "list") == []


@pytest.mark.slow
def test_batch(call: Call, csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    arguments = ("batch", "--input", str(csv), "--output", str(out))
    call(*arguments, code=3)  # nothing is in production
    call("pipeline", "run")
    report = call(*arguments, "--model", "diabetes@candidate")
    assert (report["model"], report["rows"], report["bad_rows"]) == ("diabetes:1", 442, 0)
    assert out.read_text().splitlines()[0].endswith(",prediction")
    assert call(*arguments, "--model", "diabetes@candidate")["files"][0]["already_done"]
    call(*arguments, "--model", "diabetes@candidate", "--chunk-rows", "10", code=4)
    call("batch", "--input", str(tmp_path / "none.csv"), "--output", str(out), code=3)
    call("batch", "--input", str(csv), "--output", str(tmp_path / "out.txt"), code=5)
    # the same by a published pipeline
    there = tmp_path / "there.csv"
    published = ("batch", "--input", str(csv), "--output", str(there), "--published", "--model", "diabetes:1")
    assert call(*published, code=3)["error"]["hint"] == "mlops batch publish"
    assert call("batch", "publish", "--build-id", "8")["id"] == "diabetes-batch-pipeline-8"
    again = call(*published)
    assert {**again["files"][0], "output": str(out)} == report["files"][0]
    assert there.read_bytes() == out.read_bytes()
    assert call(*published)["files"][0]["already_done"]
    call(*published, "--chunk-rows", "10", code=4)
    # a data set, and scores that are fetched later
    data = ("--data", "diabetes-scoring:1", "--model", "diabetes:1")
    started = call("batch", "--published", "--no-wait", "--build-id", "8", *data)
    fetched = call("batch", "fetch", started["run_id"], "--output", str(tmp_path / "folder"))
    assert [item["output"] for item in fetched["files"]] == [str(tmp_path / "folder" / "data.csv")]
    assert (tmp_path / "folder" / "data.csv").read_bytes() == out.read_bytes()
    call("batch", *data, "--output", str(tmp_path / "direct.csv"))
    assert (tmp_path / "direct.csv").read_bytes() == out.read_bytes()
    for mistake in (
        (), ("--input", str(csv)), ("--input", str(csv), *data), ("--published", "--jobs", "2"), ("--no-wait", *data),
    ):  # fmt: skip
        call("batch", *mistake, *(() if "--input" in mistake else ("--output", str(out))), code=2)
