"""Files of jobs: where they may go, which a data set means, what a log keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import fakes
from fakes.executor import datasets, storage
from fakes.executor.logs import TAIL, Log
from fakes.executor.outcome import exited
from fakes.services.blob.models import BlobBackend


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ""])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(storage.UnsafePath):
        storage.below(tmp_path, name)


def test_a_name_below_its_folder(tmp_path: Path) -> None:
    assert storage.below(tmp_path, "a/b.txt") == tmp_path / "a" / "b.txt"


@pytest.fixture
def state() -> Any:
    """A state with some blobs in the default datastore."""
    made = fakes.Fake().state
    workspace = made.workspace()
    blobs = made.backend(BlobBackend)
    blobs.ensure_container(workspace.storage_account, workspace.blobstore)
    for name in ("in/a.csv", "in/b.csv", "in/deep/c.csv", "in/d.txt", "other/e.csv", "single"):
        blobs.put(workspace.storage_account, workspace.blobstore, name, name.encode())
    yield made
    made.close()


def found(state: Any, *paths: str) -> list[str]:
    text = "paths:\n" + "".join(
        f"  - pattern: 'azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/workspaceblobstore/paths/{p}'\n"
        for p in paths
    )
    places = datasets.places(state, state.workspace(), yaml.safe_load(text))
    return [name for place in places for name in datasets.matching(state, place)]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("in/*.csv", ["in/a.csv", "in/b.csv"]),
        ("in/**", ["in/a.csv", "in/b.csv", "in/d.txt", "in/deep/c.csv"]),
        ("**/*.csv", ["in/a.csv", "in/b.csv", "in/deep/c.csv", "other/e.csv"]),
        ("in/?.txt", ["in/d.txt"]),
        ("in/a.csv", ["in/a.csv"]),
        ("in/a", []),
        ("single", ["single"]),
    ],
)
def test_which_files_a_pattern_means(state: Any, pattern: str, names: list[str]) -> None:
    assert found(state, pattern) == names


def test_a_place_outside_azure_storage_is_refused(state: Any) -> None:
    with pytest.raises(datasets.CannotRead, match="not in Azure storage"):
        datasets.places(state, state.workspace(), {"paths": [{"pattern": "https://example.com/x.csv"}]})


def test_paths_go_to_disk_and_back(state: Any, tmp_path: Path) -> None:
    store = storage.datastore_named(state, state.workspace(), None)
    assert storage.fetch_path(state, store, "in", tmp_path / "in") == 4
    assert (tmp_path / "in" / "deep" / "c.csv").read_text() == "in/deep/c.csv"
    assert storage.fetch_path(state, store, "single", tmp_path / "one") == 1
    assert (tmp_path / "one").read_text() == "single"
    assert storage.fetch_path(state, store, "nothing", tmp_path / "empty") == 0
    assert storage.send_path(state, store, tmp_path / "in", "copy") == 4
    assert storage.send_path(state, store, tmp_path / "one", "copy/one") == 1
    assert storage.names_below(state, store, "copy") == [
        "copy/a.csv",
        "copy/b.csv",
        "copy/d.txt",
        "copy/deep/c.csv",
        "copy/one",
    ]


def test_a_log_keeps_the_order_and_its_end() -> None:
    parts: list[bytes] = []
    with Log(parts.append) as log:
        for number in range(2000):
            log.line(f"line {number}")
    text = b"".join(parts)
    assert text.splitlines() == [f"line {number}".encode() for number in range(2000)]
    assert text.endswith(log.tail)
    assert len(log.tail) == TAIL


def test_the_words_for_an_end() -> None:
    assert exited("python", 0, b"").ok
    error = exited("python", -9, b"one\ntwo\nCleaning up all outstanding Run operations, waiting").error
    assert error is not None
    assert "terminated by signal 9" in error["message"]
    assert error["message"].endswith("one\ntwo")
