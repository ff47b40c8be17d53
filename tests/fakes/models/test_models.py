"""Models through the SDK: register, list, filter, page, change, download, delete."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.azure


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # the SDK refuses a model that is outside the current directory
    (tmp_path / "model.bin").write_bytes(b"weights \x00\xff")
    (tmp_path / "tree" / "deep er").mkdir(parents=True)
    (tmp_path / "tree" / "a.txt").write_text("a")
    (tmp_path / "tree" / "deep er" / "größe+%41.txt").write_text("ü")
    (tmp_path / "tree" / "empty").write_bytes(b"")
    return tmp_path


def _register(workspace, name="iris", path="model.bin", **options):
    from azureml.core import Model

    return Model.register(workspace, path, name, **options)


def test_file_round_trip(workspace, folder):
    model = _register(workspace, tags={"stage": "qa"}, properties={"auc": "0.9"}, description="first")
    assert (model.name, model.version, model.id) == ("iris", 1, "iris:1")
    assert model.tags == {"stage": "qa"} and model.properties == {"auc": "0.9"} and model.description == "first"
    assert model.created_by["userName"] == "fake-service-principal"
    path = model.download(target_dir="out")
    assert Path(path) == Path("out/model.bin")
    assert Path(path).read_bytes() == b"weights \x00\xff"


def test_folder_round_trip_keeps_names_and_empty_files(workspace, folder):
    model = _register(workspace, path="tree")
    target = Path(model.download(target_dir="out"))
    assert {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()} == {
        "a.txt": b"a",
        "deep er/größe+%41.txt": "ü".encode(),
        "empty": b"",
    }


def test_many_files_come_in_batches(azure, workspace, folder):
    (folder / "many").mkdir()
    for number in range(120):
        (folder / "many" / f"{number:03}").write_text(str(number))
    model = _register(workspace, path="many")
    assert azure.state.requests.counts()["Artifacts_CreateBatch"] == 3
    assert len(list(Path(model.download("out")).iterdir())) == 120


def test_versions_count_up_and_are_not_given_twice(workspace, folder):
    from azureml.core import Model

    assert [_register(workspace).version for _ in range(3)] == [1, 2, 3]
    Model(workspace, "iris", version=3).delete()
    assert Model(workspace, "iris").version == 2
    assert _register(workspace).version == 4


def test_every_filter(workspace, folder):
    from azureml.core import Model

    _register(workspace, "a", tags={"stage": "qa", "team": "red"}, properties={"k": "1"}, model_framework="ScikitLearn")
    _register(workspace, "a", tags={"stage": "production"})
    _register(workspace, "b", tags={"stage": "qa"})

    def ids(**options):
        return [model.id for model in Model.list(workspace, **options)]

    assert ids() == ["b:1", "a:2", "a:1"]
    assert ids(name="a") == ["a:2", "a:1"]
    assert ids(name="a", latest=True) == ["a:2"]
    assert ids(latest=True) == ["b:1", "a:2"]
    assert ids(tags=[["stage", "qa"]]) == ["b:1", "a:1"]
    assert ids(tags=[["stage", "qa"], "team"]) == ["a:1"]
    assert ids(tags=["nothing"]) == []
    assert ids(properties=[["k", "1"]]) == ["a:1"]
    assert ids(run_id="none") == []
    assert {name: model.version for name, model in workspace.models.items()} == {"a": 2, "b": 1}
    assert Model(workspace, "a", tags=[["stage", "qa"]]).version == 1


def test_paging_gives_every_version_once(azure, workspace, folder):
    from azureml.core import Model

    url = f"{_base(azure)}/models"
    body = {"url": "aml://artifact/LocalUpload/x/y", "mimeType": "application/json", "unpack": False}
    headers = {"Authorization": f"Bearer {azure.token()}"}
    with requests.Session() as session:
        for number in range(50):
            answer = session.post(url, json={**body, "name": f"m{number:02}"}, headers=headers)
            assert answer.status_code == 200, answer.text
    found = [model.name for model in Model.list(workspace, page_count=20)]
    assert found == [f"m{number:02}" for number in reversed(range(50))]


def _base(azure):
    return f"https://westeurope.api.azureml.ms/modelmanagement/v1.0{azure.state.workspace().arm_id}"


def test_change_and_reload(workspace, folder):
    from azureml.core import Model

    model = _register(workspace, tags={"a": "1"}, properties={"p": "1"})
    model.update(tags={"b": "2"}, description="changed")
    model.add_tags({"c": "3"})
    model.remove_tags("b")
    model.add_properties({"q": "2"})
    model.update(sample_input_dataset=None)
    again = Model(workspace, id="iris:1")
    assert again.tags == {"c": "3"} and again.description == "changed"
    assert again.properties == {"p": "1", "q": "2"}


def test_not_found_is_told_in_the_words_of_the_sdk(workspace):
    from azureml.core import Model
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="ModelNotFound: Model with id nobody:7"):
        Model(workspace, id="nobody:7")
    with pytest.raises(WebserviceException, match="ModelNotFound"):
        Model(workspace, "nobody")


def test_strictness(azure, auth):
    url = f"{_base(azure)}/models"
    good = {"name": "m", "url": "aml://artifact/LocalUpload/x/y", "mimeType": "application/json"}
    for change, word in (
        ({"name": "-bad"}, "not valid"),
        ({"name": "x" * 256}, "not valid"),
        ({"name": None}, "'name' is required"),
        ({"mimeType": None}, "'mimeType' is required"),
        ({"url": "aml://asset/nothing"}, "nothing was not found"),
        ({"nmae": "x"}, "Unknown fields: nmae"),
        ({"kvTags": {"a": 1}}, "object of strings"),
    ):
        answer = requests.post(url, json={**good, **change}, headers=auth)
        assert answer.status_code in (400, 404)
        assert answer.json()["statusCode"] == answer.status_code
        assert word in answer.json()["message"]
    assert requests.post(url, data="{", headers=auth).status_code == 400
    assert requests.get(url, params={"nmae": "x"}, headers=auth).status_code == 400
    assert requests.get(url, params={"count": "many"}, headers=auth).status_code == 400
    assert requests.get(url).status_code == 401


def test_properties_cannot_be_changed(azure, workspace, folder, auth):
    _register(workspace, properties={"p": "1"})
    steps = [{"op": "replace", "path": "/properties/p", "value": "2"}]
    answer = requests.patch(f"{_base(azure)}/models/iris%3A1", json=steps, headers=auth)
    assert answer.status_code == 400 and "cannot be changed" in answer.json()["message"]


def test_list_by_post(azure, workspace, folder, auth):
    _register(workspace, tags={"a": "1"})
    _register(workspace)
    url = f"{_base(azure)}/models/list"
    found = requests.post(url, json={"tags": ["a=1"]}, headers=auth).json()["value"]
    assert [model["id"] for model in found] == ["iris:1"]
    by_time = requests.post(url, json={"orderBy": "CreatedAtAsc", "count": 1}, headers=auth).json()["value"]
    assert [model["id"] for model in by_time] == ["iris:1"]
    for wrong in ({"count": 0}, {"orderBy": "Name"}, {"skipToken": "!"}):
        assert requests.post(url, json=wrong, headers=auth).status_code == 400
