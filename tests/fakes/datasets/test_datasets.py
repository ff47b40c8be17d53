"""Data sets through the unmodified SDK, its native engine included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(workspace: Any, tmp_path: Path) -> Any:
    """The default datastore with in/a.csv and in/b.csv."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("x,y\n1,one\n2,two\n")
    (folder / "b.csv").write_text("x,y\n3,three\n")
    found = workspace.get_default_datastore()
    found.upload(str(folder), target_path="in", show_progress=False)
    return found


def files(store: Any, path: str = "in/*.csv") -> Any:
    from azureml.core import Dataset

    return Dataset.File.from_files((store, path), validate=False)


def test_register_versions_find_and_unregister(workspace: Any, store: Any) -> None:
    from azureml.core import Dataset

    first = files(store).register(workspace, "numbers", description="x", tags={"a": "1"})
    assert (first.name, first.version, first.tags) == ("numbers", 1, {"a": "1"})
    assert files(store).register(workspace, "numbers", create_new_version=True).version == 1
    assert files(store, "in/a.csv").register(workspace, "numbers", create_new_version=True).version == 2
    assert Dataset.get_by_name(workspace, "numbers").version == 2
    assert Dataset.get_by_name(workspace, "numbers", version=1).id == first.id
    assert Dataset.get_by_id(workspace, first.id).name == "numbers"
    assert workspace.datasets["numbers"].version == 2
    first.unregister_all_versions()
    with pytest.raises(Exception, match="Cannot find dataset"):
        Dataset.get_by_name(workspace, "numbers")


def test_a_taken_name_needs_a_new_version(workspace: Any, store: Any) -> None:
    files(store).register(workspace, "numbers")
    with pytest.raises(Exception, match="already a dataset registered"):
        files(store, "in/a.csv").register(workspace, "numbers")


def test_a_data_set_without_a_name_has_an_id(workspace: Any, store: Any) -> None:
    from azureml.core import Dataset

    unnamed = files(store)
    saved = unnamed._ensure_saved(workspace)
    assert files(store)._ensure_saved(workspace) == saved
    assert Dataset.get_by_id(workspace, saved).id == saved
    with pytest.raises(Exception, match="Cannot find dataset"):
        Dataset.get_by_id(workspace, "00000000-0000-0000-0000-000000000000")


def test_tags_and_description_change(workspace: Any, store: Any) -> None:
    from azureml.core import Dataset

    made = files(store).register(workspace, "numbers")
    made.add_tags({"team": "a", "old": "1"})
    made.remove_tags(["old"])
    made.update(description="now with words")
    found = Dataset.get_by_name(workspace, "numbers")
    assert (found.tags, found.description) == ({"team": "a"}, "now with words")


def test_the_engine_reads_delimited_files(workspace: Any, store: Any) -> None:
    from azureml.core import Dataset

    table = Dataset.Tabular.from_delimited_files((store, "in/*.csv")).register(workspace, "table")
    frame = Dataset.get_by_name(workspace, "table").to_pandas_dataframe()
    assert frame["x"].tolist() == [1, 2, 3]
    assert frame["y"].tolist() == ["one", "two", "three"]
    assert table.take(1).to_pandas_dataframe().shape == (1, 2)


def test_the_engine_downloads_files(workspace: Any, store: Any, tmp_path: Path) -> None:
    found = files(store).register(workspace, "numbers")
    assert sorted(found.to_path()) == ["/a.csv", "/b.csv"]
    paths = found.download(str(tmp_path / "got"))
    assert sorted(Path(path).read_text()[:7] for path in paths) == ["x,y\n1,o", "x,y\n3,t"]


def test_a_data_frame_becomes_a_data_set_and_comes_back(workspace: Any, store: Any) -> None:
    import pandas as pd
    from azureml.core import Dataset

    frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    made = Dataset.Tabular.register_pandas_dataframe(frame, (store, "frames"), "frame", show_progress=False)
    assert made.to_pandas_dataframe().to_dict("list") == {"x": [1, 2], "y": ["a", "b"]}


def test_a_path_that_is_not_there(workspace: Any, store: Any) -> None:
    from azureml.core import Dataset

    with pytest.raises(Exception, match="was not found"):
        Dataset.Tabular.from_delimited_files((store, "nothing.csv")).to_pandas_dataframe()


def test_versions_over_rest(azure: Any, auth: dict[str, str], workspace: Any, store: Any) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/dataset/v1.0{azure.state.workspace().arm_id}/datasets"
    files(store).register(workspace, "numbers")
    files(store, "in/a.csv").register(workspace, "numbers", create_new_version=True)
    listed = requests.get(base, headers=auth, timeout=30).json()["value"]
    assert [item["name"] for item in listed] == ["numbers"]
    dataset = listed[0]["datasetId"]
    assert requests.get(f"{base}/{dataset}", headers=auth, timeout=30).json()["latest"]["versionId"] == "2"
    definitions = requests.get(f"{base}/{dataset}/definitions", headers=auth, timeout=30).json()["value"]
    assert [item["versionId"] for item in definitions] == ["1", "2"]
    one = requests.get(f"{base}/{dataset}/definitions/1", headers=auth, timeout=30).json()
    assert one["savedDatasetId"] == definitions[0]["savedDatasetId"]
    assert requests.get(f"{base}/{dataset}/definitions/3", headers=auth, timeout=30).status_code == 404


@pytest.mark.parametrize("body", [{"name": "x", "datasetType": "file", "latest": {"dataflow": "{}"}}, {"name": "/"}])
def test_what_is_no_data_set_is_refused(azure: Any, auth: dict[str, str], body: dict[str, Any]) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/dataset/v1.0{azure.state.workspace().arm_id}/datasets"
    assert requests.post(base, json=body, headers=auth, timeout=30).status_code == 400
