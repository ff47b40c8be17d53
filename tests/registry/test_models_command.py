"""``mlops models``, as a user calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from mlops.__main__ import run
from registry.digests import tree_digest
from registry.files.models import FileModelRegistry
from registry.models import Lineage


class Caller:
    """Calls the program in a project folder."""

    def __init__(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self.registry = FileModelRegistry(project / ".mlops" / "registry")
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert run(["models", *arguments, "--project", str(self.project)]) == code
        self.errors = ""
        out, self.errors = self._capsys.readouterr()
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "-o", "json", code=code))


@pytest.fixture
def models(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    project = tmp_path / "project"
    (project / "model").mkdir(parents=True)
    (project / "mlops.toml").write_text("")
    (project / "model" / "model.joblib").write_text("content")
    monkeypatch.chdir(project)
    call = Caller(project, capsys)
    for number in range(1, 4):
        call.registry.register(
            "m",
            project / "model",
            metrics={"mse": 3000.0 - number, "r2": 0.5},
            parameters={"alpha": number / 10},
            tags={"n": str(number)},
            lineage=Lineage(run_id=f"run-{number}", git_dirty=number == 1),
        )
    return call


def test_list(models: Caller) -> None:
    assert models("list").splitlines()[1].startswith("m:3  ")
    assert [row["reference"] for row in models.json("list", "m", "--limit", "2")] == ["m:3", "m:2"]
    assert [row["version"] for row in models.json("list", "--tag", "n=1")] == ["1"]
    assert [row["version"] for row in models.json("list", "--tag", "n")] == ["3", "2", "1"]
    assert [row["version"] for row in models.json("list", "--metric", "mse<2999", "--metric", "r2>=0.5")] == ["3", "2"]
    assert [row["version"] for row in models.json("list", "--metric", "mse<2999", "--limit", "1")] == ["3"]
    assert models.json("list", "--metric", "absent>0") == []
    assert models.json("list", "other") == []
    assert models("list", "other") == ""
    assert "no model versions of 'other'" in models.errors


@pytest.mark.parametrize("text", ["mse", "mse<", "<3", "mse<x", "mse<nan", "mse<>3", ""])
def test_filters_that_are_none(models: Caller, text: str) -> None:
    models("list", "--metric", text, code=5)
    assert "not a filter" in models.errors


def test_show(models: Caller) -> None:
    document = models.json("show", "m:1")
    assert document["version"] == "1"
    assert document["digest"] == tree_digest(models.project / "model")
    assert document["lineage"] == {"run_id": "run-1", "git_dirty": True}
    assert document["created"].endswith("Z")
    assert "lineage.run_id" in models("show", "m:1")
    assert models.json("show", "m")["version"] == "3"
    error = models.json("show", "m:4", code=3)["error"]
    assert (error["code"], error["exit_code"]) == ("NotFound", 3)


def test_an_alias_that_names_the_version_already_is_not_moved(models: Caller) -> None:
    models("alias", "m", "qa", "2", "--why", "first")
    before = models.json("history", "m")
    assert models("alias", "m", "qa", "2") == "qa names m:2 already: nothing was written\n"
    assert models.json("alias", "m", "qa", "2", "--expect", "2") == before[-1]
    models("alias", "m", "qa", "2", "--expect", "1", code=4)
    assert models.json("history", "m") == before
    models("alias", "m", "qa", "--remove")
    assert models("alias", "m", "qa", "--remove") == "qa names nothing already: nothing was written\n"
    assert len(models.json("history", "m")) == 2


def test_before_a_version_is_deleted_it_is_looked_for_and_somebody_asked(
    models: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    models("delete", "m:9", code=3)
    assert "for good?" not in models.errors
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    models("delete", "m:1", code=2)
    assert "nothing was deleted" in models.errors
    assert "next: add --yes" in models.errors
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    models("delete", "m:1", code=130)
    assert models.json("show", "m:1")["reference"] == "m:1"
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert models("delete", "m:1") == "deleted m:1\n"


def test_aliases(models: Caller) -> None:
    models("alias", "m", "production", code=3)
    models("alias", "m", "production", "2", "--why", "better")
    assert models("alias", "m", "production") == "m:2\n"
    assert models.json("alias", "m") == {"production": "2"}
    models("alias", "m", "production", "3", "--expect", "1", code=4)
    assert "names version 2 now" in models.errors
    models("alias", "m", "production", "3", "--expect", "none", code=4)
    move = models.json("alias", "m", "production", "3", "--expect", "2")
    assert (move["from_version"], move["to_version"], move["sequence"]) == ("2", "3", 2)
    assert "@" in move["who"]
    assert models.json("show", "m@production")["reference"] == "m:3"
    models("alias", "m", "production", "--remove")
    assert models.json("alias", "m") == {}
    models("alias", "m", "production", "9", code=3)
    models("alias", "m", "production", "01", code=5)
    models("alias", "m", "production", "1", "--remove", code=2)
    moves = models.json("history", "m")
    assert [(move["to_version"], move["why"]) for move in moves] == [
        ("2", "better"),
        ("3", "by hand"),
        (None, "by hand"),
    ]
    assert models("history", "m", "production").splitlines()[0].startswith("ALIAS")


def test_tags(models: Caller) -> None:
    assert models.json("tag", "m:1", "n-", "note=a=b")["tags"] == {"note": "a=b"}
    models("tag", "m:1", "neither", code=2)


def test_download(models: Caller) -> None:
    assert models("download", "m:1", "--to", "out") == "out/model\n"
    assert tree_digest(Path("out/model")) == tree_digest(models.project / "model")
    models("download", "m:1", "--to", "out", code=4)


def test_delete(models: Caller) -> None:
    models("alias", "m", "qa", "1")
    models("delete", "m:1", "--yes", code=4)
    assert "mlops models alias m qa" in models.errors
    models("delete", "m", "--yes", code=2)
    models("delete", "m@qa", "--yes", code=5)
    models("delete", "m:2", "--yes")
    models("show", "m:2", code=3)
    assert "was deleted" in models.errors


def test_a_version_that_cannot_be_read_can_be_deleted(models: Caller) -> None:
    (models.project / ".mlops" / "registry" / "models" / "m" / "versions" / "2.json").write_text('{"x')
    models("show", "m:2", code=5)
    assert models("delete", "m:2", "--yes") == "deleted m:2\n"


def test_diff(models: Caller) -> None:
    fields = {row["field"]: (row["a"], row["b"]) for row in models.json("diff", "m:1", "m:2")}
    assert fields["metrics.mse"] == (2999.0, 2998.0)
    assert fields["parameters.alpha"] == (0.1, 0.2)
    assert fields["lineage.git_dirty"] == (True, False)
    assert "digest" not in fields
    assert models("diff", "m:1", "m:1") == ""
    assert "do not differ" in models.errors


def test_verify_and_gc(models: Caller) -> None:
    assert models.json("verify")["problems"] == []
    models("delete", "m:1", "--yes")
    blob = next((models.project / ".mlops/registry/blobs").iterdir())
    extra = blob.with_name("0" * 64)
    extra.write_text("left over")
    assert models.json("gc", "--dry-run")["models"]["blobs"] == 1
    assert extra.exists()
    assert models.json("gc")["models"] == {"staged": 0, "blobs": 1, "bytes": 9, "alive": 0, "problems": []}
    assert not extra.exists()
    blob.chmod(0o644)
    blob.write_text("changed")
    assert len(models.json("verify", code=5)["problems"]) == 2
    models("download", "m:2", "--to", "out", code=5)
    assert not Path("out/model").exists()


def test_export_and_import(models: Caller, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models("alias", "m", "qa", "2")
    assert models.json("export", "all.tar")["versions"] == 3
    models("export", "all.tar", code=4)
    models("import", "absent.tar", code=3)
    other = Caller(tmp_path / "other", capsys)
    other.project.mkdir()
    assert other.json("import", "all.tar")["versions"] == 3
    assert other.json("list") == models.json("list")
    assert other.json("history", "m") == models.json("history", "m")
    assert other.json("import", "all.tar")["versions"] == 0
