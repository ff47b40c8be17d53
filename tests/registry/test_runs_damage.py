"""Runs and data sets with damaged files: named, and nothing else is hidden or lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import Conflict, Corrupt, InvalidName, NewerSchema, NotFound
from registry.files.data import FileDataSets
from registry.files.runs import FileRunHistory
from registry.runs import RunState


@pytest.fixture
def history(tmp_path: Path) -> FileRunHistory:
    return FileRunHistory(tmp_path / "runs")


def events_of(history: FileRunHistory, run_id: str) -> Path:
    (path,) = history.store.root.glob(f"experiments/*/{run_id}/events.jsonl")
    return path


@pytest.mark.parametrize(
    "tail", [b'{"metric": "mse", "va', b"\0" * 40, b"\0" * 40 + b'": 1}\n', b"{", b'{"metric": "mse"}']
)
def test_what_a_crash_left_at_the_end_is_cut_off(history: FileRunHistory, tail: bytes) -> None:
    run = history.start("e")
    run.log_metric("mse", 1.0)
    path = events_of(history, run.id)
    path.write_bytes(path.read_bytes() + tail)
    assert history.metric(run.id, "mse") == [(None, 1.0)]
    history.open(run.id).log_metric("mse", 2.0)
    assert history.metric(run.id, "mse") == [(None, 1.0), (None, 2.0)]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    run.log_metric("mse", 3.0)
    run.complete()
    assert history.get(run.id).metrics == {"mse": 3.0}


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a line": lambda path: path.write_bytes(b"rubbish\n" + path.read_bytes()),
    "zeros": lambda path: path.write_bytes(b"\0" * 10 + b"\n" + path.read_bytes()),
    "no object": lambda path: path.write_bytes(path.read_bytes() + b"[]\n"),
    "no time": lambda path: path.write_bytes(path.read_bytes() + b"{}\n"),
    "bad value": lambda path: path.write_bytes(path.read_bytes().replace(b"1.0", b'"1"')),
    "bad state": lambda path: path.write_bytes(path.read_bytes().replace(b"mse", b"mse\xff")),
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "run.json": lambda path: path.with_name("run.json").write_bytes(b"{"),
    "run.json of another": lambda path: path.with_name("run.json").write_bytes(
        path.with_name("run.json").read_bytes().replace(b'"id": "2', b'"id": "3')
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_is_named_and_hides_nothing(
    history: FileRunHistory, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [history.start("e") for _ in range(3)]
    for run in runs:
        run.log_metric("mse", 1.0)
    DAMAGE[kind](events_of(history, runs[1].id))
    fresh = FileRunHistory(history.store.root)
    with pytest.raises(Corrupt, match=runs[1].id):
        fresh.get(runs[1].id)
    with caplog.at_level(logging.WARNING):
        assert [run.id for run in fresh.search("e")] == [runs[2].id, runs[0].id]
    assert runs[1].id in caplog.text


def test_a_newer_run_is_refused(history: FileRunHistory) -> None:
    run = history.start("e")
    path = events_of(history, run.id).with_name("run.json")
    path.write_bytes(path.read_bytes().replace(b'"schema_version": 2', b'"schema_version": 99'))
    with pytest.raises(NewerSchema):
        history.get(run.id)


def test_files_of_runs_are_verified(history: FileRunHistory, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    run = history.start("e")
    run.upload("a", tmp_path / "a")
    run.upload("a", tmp_path / "a")  # again: nothing changes
    (tmp_path / "a").write_text("other")
    with pytest.raises(Conflict):
        run.upload("a", tmp_path / "a")
    for bad in (tmp_path, Path("/dev/null")):
        with pytest.raises(InvalidName):
            run.upload("b", bad)
    with pytest.raises(NotFound):
        run.upload("b", tmp_path / "absent")
    assert history.files(run.id) == ["a"]
    blob = max((history.store.root / "blobs").iterdir(), key=lambda path: path.read_text() == "content")
    blob.chmod(0o644)
    blob.write_text("CONTENT")
    with pytest.raises(Corrupt):
        history.download(run.id, "a", tmp_path / "out" / "a")
    assert list((tmp_path / "out").iterdir()) == []


def test_collection_keeps_what_runs_name(history: FileRunHistory, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    run = history.start("e")
    run.upload("a", tmp_path / "a")
    dead = history.store.root / "experiments" / "e" / "20260101-000000-000000-00000000"
    dead.mkdir()
    (dead / "events.jsonl").touch()
    (history.store.root / "blobs" / ("0" * 64)).write_text("nobody names this")
    done = history.collect()
    assert (len(done.staged), len(done.blobs), done.problems) == (2, 1, [])
    assert not dead.exists()
    assert history.download(run.id, "a", tmp_path / "out").read_text() == "content"


@pytest.mark.parametrize(
    "run_id", ["", "..", "../e/x", "absent", "20260101-000000-000000-0000000g", None, 7, "a" * 300]
)
def test_run_ids_that_are_none(history: FileRunHistory, run_id: Any) -> None:
    history.start("e")
    with pytest.raises(NotFound):
        history.get(run_id)


def test_after_the_end_only_tags_change(history: FileRunHistory) -> None:
    run = history.start("e")
    run.complete()
    for call in (lambda: run.log_metric("mse", 1.0), lambda: run.log_parameters({"a": 1}), lambda: run.cancel()):
        with pytest.raises(Conflict, match="ended"):
            call()
    run.set_tags({"note": "later"})
    assert history.get(run.id).tags == {"note": "later"}
    assert history.get(run.id).state is RunState.COMPLETED


def test_damaged_data_is_named_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = FileDataSets(tmp_path / "data")
    path = tmp_path / "t.csv"
    for number in range(3):
        path.write_text(str(number))
        data.register("d", path)
    blob = next(each for each in (tmp_path / "data" / "blobs").iterdir() if each.read_text() == "2")
    blob.unlink()
    with pytest.raises(Corrupt):
        data.download("d", 3, tmp_path / "out")
    assert data.register("d", path).version == 3
    assert data.download("d", 3, tmp_path / "out").read_text() == "2"
    (tmp_path / "data" / "sets" / "d" / "versions" / "2.json").write_bytes(b"{")
    with pytest.raises(Corrupt):
        data.get("d", 2)
    with caplog.at_level(logging.WARNING):
        assert [found.version for found in data.versions("d")] == [3, 1]
    assert "2.json" in caplog.text
    assert data.collect().problems
    path.write_text("new")
    assert data.register("d", path).version == 4
    with pytest.raises(InvalidName):
        data.register("D", path)
