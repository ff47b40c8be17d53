"""Stores that older releases wrote: kept as fixtures, read and written on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry.errors import NotFound
from registry.files.data import FileDataSets
from registry.files.documents import SCHEMA, UPGRADES
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from registry.models import Lineage
from registry.runs import RunState

FIXTURES = Path(__file__).parent / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir())
"""``schema-<n>``; each holds stores of models, data and runs, and an export, written by a release of that schema."""


def test_every_schema_has_a_fixture_and_an_upgrade() -> None:
    assert [f"schema-{number}" for number in range(1, SCHEMA + 1)] == VERSIONS
    assert sorted(UPGRADES) == list(range(1, SCHEMA))


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(FIXTURES / request.param, tmp_path / "old")
    return tmp_path / "old"


def check_models(registry: FileModelRegistry, tmp_path: Path) -> None:
    assert registry.names() == ["Diabetes"]
    assert [(found.version, found.tags) for found in registry.versions()] == [(3, {"n": "three"}), (1, {"n": "1"})]
    found = registry.get("Diabetes", 3)
    assert (found.description, found.metrics, found.parameters) == ("number 3", {"mse": 2997.0}, {"alpha": 0.3})
    assert found.properties == {"owner": "me"}
    assert found.aliases == ("production",)
    assert found.lineage == Lineage(
        run_id="run-3", data="diabetes:1", git_revision="0123456789abcdef", git_dirty=False, python="3.11"
    )
    moves = registry.history("Diabetes")
    assert [(move.from_version, move.to_version, move.why) for move in moves] == [(None, 1, "first"), (1, 3, "better")]
    with pytest.raises(NotFound, match="deleted"):
        registry.get("Diabetes", 2)
    path = registry.download("Diabetes", 3, tmp_path / "out")
    assert (path / "model.joblib").read_text() == "model 3\n"
    assert registry.verify().problems == []


def test_models(old: Path, tmp_path: Path) -> None:
    registry = FileModelRegistry(old / "models")
    check_models(registry, tmp_path)
    assert registry.register("Diabetes", tmp_path / "out" / "model").version == 4
    registry.set_alias("Diabetes", "production", 4, who="me", why="test", expect=3)
    registry.delete("Diabetes", 1)
    registry.set_tags("Diabetes", 3, {"n": None})
    registry.collect()
    assert registry.verify().problems == []
    registry.export(tmp_path / "again.tar")
    other = FileModelRegistry(tmp_path / "other")
    other.import_(tmp_path / "again.tar")
    assert list(other.versions()) == list(registry.versions())


def test_an_export(old: Path, tmp_path: Path) -> None:
    registry = FileModelRegistry(tmp_path / "new")
    registry.import_(old / "models.tar")
    check_models(registry, tmp_path)


def test_data(old: Path, tmp_path: Path) -> None:
    data = FileDataSets(old / "data")
    found = data.get("diabetes")
    assert (found.version, found.description, found.tags, found.profile) == (1, "table", {"a": "b"}, {"rows": 1})
    path = data.download("diabetes", 1, tmp_path)
    assert data.register("diabetes", path) == found
    path.write_text("changed")
    assert data.register("diabetes", path).version == 2


def test_runs(old: Path, tmp_path: Path) -> None:
    history = FileRunHistory(old / "runs")
    (found,) = history.search("training")
    assert (found.name, found.state, found.metrics) == ("train", RunState.COMPLETED, {"mse": 1.25})
    assert history.metric(found.id, "mse") == [(1, 1.5), (2, 1.25)]
    assert history.download(found.id, "plots/t.csv", tmp_path / "t.csv").read_text() == "a,b\n1,2\n"
    history.start("training").complete()
    assert len(list(history.search("training"))) == 2
