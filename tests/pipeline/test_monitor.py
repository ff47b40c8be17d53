"""Monitoring: live inputs against the profile of the training data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model import dataset, profile
from pipeline.errors import PipelineError, PipelineNotFound
from pipeline.monitor import monitor, page, read_inputs
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.models import Lineage, ModelVersion


@pytest.fixture
def data(tmp_path: Path) -> FileDataSets:
    sets = FileDataSets(tmp_path / "data")
    path = tmp_path / "diabetes.csv"
    frame = dataset.sample()
    frame.to_csv(path, index=False)
    sets.register("diabetes", path, profile=profile.make(frame, (*dataset.FEATURES, dataset.TARGET)))
    return sets


@pytest.fixture
def version(tmp_path: Path) -> ModelVersion:
    artifact = tmp_path / "model.txt"
    artifact.write_text("x")
    return FileModelRegistry(tmp_path / "registry").register("m", artifact, lineage=Lineage(data="diabetes:1"))


def test_only_what_has_moved_has_shifted(data: FileDataSets, version: ModelVersion, tmp_path: Path) -> None:
    frame = dataset.sample().sample(200, random_state=1)
    assert monitor(version, data, frame, {}).shifted == []
    frame["bmi"] += 8
    frame["s6"] *= 2
    seen = monitor(version, data, frame, {"r1": {"requests": 3, "errors": 1}})
    assert seen.shifted == ["bmi", "s6"]
    assert [item["feature"] for item in seen.features] == [column.name for column in dataset.FEATURES]
    assert seen.to_json()["revisions"] == [{"revision": "r1", "requests": 3, "errors": 1}]
    counts = {"r1": {"id": "r1", "requests": 30, "errors": 1, "seconds": 60.0}}
    (rated,) = monitor(version, data, frame, counts).revisions
    assert rated == {"revision": "r1", "requests": 30, "errors": 1, "seconds": 60.0, "requests_per_second": 0.5}
    assert "services.app_insights" in page(monitor(version, data, frame, {})), "it is said that figures are missing"
    html = page(seen)
    assert "services.app_insights" not in html
    assert "<svg" in html
    assert "Shifted: bmi, s6" in html
    assert "http://www.w3.org/2000/svg" in html and "src=" not in html  # self-contained


def test_scoring_requests_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    rows = dataset.sample().drop(columns=dataset.TARGET.name).head(3).to_numpy().tolist()
    path.write_text(json.dumps({"data": rows[:2]}) + "\n\n" + json.dumps({"data": rows[2:]}) + "\n")
    frame = read_inputs(path)
    assert frame.shape == (3, len(dataset.FEATURES))
    path.write_text('{"data": [[1, 2]]}\n')
    with pytest.raises(PipelineError, match=r"requests.jsonl:1 has a row"):
        read_inputs(path)
    path.write_text("not json\n")
    with pytest.raises(PipelineError, match=r"requests.jsonl:1 is no scoring request"):
        read_inputs(path)


def test_what_cannot_be_compared_is_said(data: FileDataSets, version: ModelVersion, tmp_path: Path) -> None:
    frame = dataset.sample()
    with pytest.raises(PipelineError, match="lack bmi"):
        monitor(version, data, frame.drop(columns="bmi"), {})
    with pytest.raises(PipelineError, match="no inputs"):
        monitor(version, data, frame.head(0), {})
    with pytest.raises(PipelineError, match="bmi"):
        monitor(version, data, frame.astype({"bmi": object}).assign(bmi="high"), {})
    artifact = tmp_path / "model.txt"
    unknown = FileModelRegistry(tmp_path / "registry").register("m", artifact)
    with pytest.raises(PipelineNotFound, match="m:2"):
        monitor(unknown, data, frame, {})
