"""Artifacts and assets by plain requests, and by the SDK what its models and runs do not show."""

from __future__ import annotations

import pytest
import requests

API = "https://westeurope.api.azureml.ms"


def _artifacts(azure):
    return f"{API}/artifact/v2.0{azure.state.workspace().arm_id}/artifacts"


def _assets(azure):
    return f"{API}/modelmanagement/v1.0{azure.state.workspace().arm_id}/assets"


def test_content_by_upload_append_and_address(azure, auth):
    base, box = _artifacts(azure), "ExperimentRun/dcid.r1"
    url = f"{base}/content/{box}/logs/a%20b.txt"
    assert requests.post(url, data=b"one\n", headers=auth).json()["path"] == "logs/a b.txt"
    assert requests.post(f"{base}/content/{box}/append.txt?append=true", data=b"1", headers=auth).status_code == 200
    requests.post(f"{base}/content/{box}/append.txt?append=true", data=b"2", headers=auth)
    assert requests.get(f"{base}/content/{box}/append.txt", headers=auth).content == b"12"
    assert requests.get(url, headers=auth).content == b"one\n"
    address = requests.get(f"{base}/contentinfo/{box}/logs/a b.txt", headers=auth).json()["contentUri"]
    assert requests.get(address).content == b"one\n"
    write = requests.get(f"{base}/write/{box}/new.txt", headers=auth).json()["contentUri"]
    assert requests.put(write, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 201
    found = requests.get(f"{base}/{box}", headers=auth).json()["value"]
    assert [a["path"] for a in found] == ["append.txt", "logs/a b.txt", "new.txt"]
    assert [a["path"] for a in requests.get(f"{base}/{box}/logs", headers=auth).json()["value"]] == ["logs/a b.txt"]


def test_one_by_one(azure, auth):
    base = _artifacts(azure)
    body = {"origin": "LocalUpload", "container": "c", "path": "p"}
    assert requests.post(f"{base}/metadata", json=body, headers=auth).json()["artifactId"] == "LocalUpload/c/p"
    assert requests.post(f"{base}/metadata", json={"path": "p"}, headers=auth).status_code == 400
    assert requests.get(f"{base}/metadata/LocalUpload/c/p", headers=auth).status_code == 200
    assert requests.delete(f"{base}/metadata/LocalUpload/c/p", headers=auth).status_code == 200
    missing = requests.get(f"{base}/metadata/LocalUpload/c/p", headers=auth)
    assert missing.status_code == 404 and missing.json()["error"]["details"] == []
    requests.post(f"{base}/metadata", json=body, headers=auth)
    assert requests.delete(f"{base}/batch/LocalUpload/c", headers=auth).status_code == 200
    assert requests.get(f"{base}/LocalUpload/c", headers=auth).json()["value"] == []


def test_deleting_nothing_deletes_nothing(azure, auth):
    base = _artifacts(azure)
    requests.post(f"{base}/content/LocalUpload/c/a.txt", data=b"1", headers=auth)
    assert requests.delete(f"{base}/metadata/LocalUpload/c/", headers=auth).status_code == 400
    assert requests.get(f"{base}/content/LocalUpload/c/a.txt", headers=auth).content == b"1"
    wrong = {"origin": "Nowhere", "container": "c", "path": "p"}
    assert requests.post(f"{base}/metadata", json=wrong, headers=auth).status_code == 400


@pytest.mark.azure
def test_what_was_uploaded_is_not_made_again(workspace, tmp_path, monkeypatch):
    from azureml.core import Experiment

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("first")
    run = Experiment(workspace, "prices").start_logging(snapshot_directory=None)
    run.upload_file("outputs/a.txt", "a.txt")
    (tmp_path / "a.txt").write_text("second")
    with pytest.raises(
        Exception, match=r"UserError: Resource Conflict: ArtifactId ExperimentRun/dcid\..*/outputs/a.txt"
    ):
        run.upload_file("outputs/a.txt", "a.txt")
    run.download_file("outputs/a.txt", output_file_path="got.txt")
    assert (tmp_path / "got.txt").read_text() == "first"


@pytest.mark.azure
def test_files_of_a_run_in_another_datastore(azure, workspace, tmp_path, monkeypatch):
    from azureml.core import Experiment

    from fakes.services.blob.models import BlobBackend

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("there")
    run = Experiment(workspace, "prices").start_logging(snapshot_directory=None)
    run.upload_file("outputs/a.txt", "a.txt", datastore_name="workspaceblobstore")
    run.upload_folder("folder", str(tmp_path), datastore_name="workspaceblobstore")
    run.download_file("outputs/a.txt", output_file_path="got.txt")
    assert (tmp_path / "got.txt").read_text() == "there"
    own = azure.state.workspace()
    blobs = azure.state.backend(BlobBackend)
    name = f"ExperimentRun/dcid.{run.id}/outputs/a.txt"
    assert blobs.find(own.storage_account, own.blobstore, name) is not None
    assert blobs.find(own.storage_account, own.container, name) is None
    with pytest.raises(Exception, match="Could not find datastore with name: nowhere"):
        run.upload_file("outputs/b.txt", "a.txt", datastore_name="nowhere")
    with pytest.raises(Exception, match="only AzureBlob artifacts are supported"):
        run.upload_file("outputs/b.txt", "a.txt", datastore_name="workspacefilestore")


def test_pages_and_prefixes(azure, auth):
    base = _artifacts(azure)
    for start in range(0, 550, 50):
        paths = [{"path": f"d/{n:04}"} for n in range(start, start + 50)]
        requests.post(f"{base}/batch/metadata/LocalUpload/many", json={"paths": paths}, headers=auth)
    url = f"{base}/prefix/contentinfo/LocalUpload/many/d/"
    first = requests.get(url, headers=auth).json()
    second = requests.get(url, params={"continuationToken": first["continuationToken"]}, headers=auth).json()
    assert (len(first["value"]), len(second["value"]), second["continuationToken"]) == (500, 50, None)
    one = requests.get(f"{base}/prefix/contentinfo/LocalUpload/many/d/0001", headers=auth).json()["value"]
    assert [entry["path"] for entry in one] == ["d/0001"]
    assert requests.get(f"{base}/prefix/contentinfo/LocalUpload/many/d/000", headers=auth).json()["value"] == []


def test_strictness(azure, auth):
    base = f"{_artifacts(azure)}/batch/metadata"
    too_many = {"paths": [{"path": str(n)} for n in range(51)]}
    for url, body in (
        (f"{base}/LocalUpload/x", too_many),
        (f"{base}/Nowhere/x", {"paths": []}),
        (f"{base}/LocalUpload/x", {"paths": "a"}),
        (f"{base}/LocalUpload/x", {"paths": [{"path": "../up"}]}),
        (f"{base}/LocalUpload/x", []),
    ):
        answer = requests.post(url, json=body, headers=auth)
        assert answer.status_code == 400 and answer.json()["error"]["message"]


def test_assets(azure, auth):
    url = _assets(azure)
    made = requests.post(url, json={"name": "a", "artifacts": [{"prefix": "LocalUpload/x/y"}]}, headers=auth).json()
    assert requests.get(f"{url}/{made['id']}", headers=auth).json() == made
    assert [a["id"] for a in requests.get(url, params={"name": "a"}, headers=auth).json()["value"]] == [made["id"]]
    step = [{"op": "replace", "path": "/description", "value": "d"}]
    assert requests.patch(f"{url}/{made['id']}", json=step, headers=auth).json()["description"] == "d"
    for bad in ("x", [{"op": "move", "path": "/description"}], [{"op": "replace", "path": "/id", "value": "x"}]):
        assert requests.patch(f"{url}/{made['id']}", json=bad, headers=auth).status_code == 400
    assert requests.delete(f"{url}/{made['id']}", headers=auth).status_code == 200
    assert requests.get(f"{url}/{made['id']}", headers=auth).json()["statusCode"] == 404
    for bad in ({}, {"name": "a", "artifacts": [{}]}, {"name": "a", "nmae": "b"}):
        assert requests.post(url, json=bad, headers=auth).status_code == 400


def test_assets_page_by_page_and_by_what_is_known(azure, auth):
    url = _assets(azure)
    made = [
        requests.post(url, json={"name": name, "artifacts": [{"prefix": "LocalUpload/x/y"}]}, headers=auth).json()["id"]
        for name in "aab"
    ]
    first = requests.get(url, params={"count": 2}, headers=auth).json()
    assert [asset["id"] for asset in first["value"]] == [made[2], made[1]]
    second = requests.get(first["nextLink"], headers=auth).json()
    assert ([asset["id"] for asset in second["value"]], "nextLink" in second) == ([made[0]], False)
    assert [a["id"] for a in requests.get(url, params={"name": "b"}, headers=auth).json()["value"]] == [made[2]]
    first = requests.get(url, params={"name": "a", "count": 1}, headers=auth).json()
    second = requests.get(first["nextLink"], headers=auth).json()
    assert [asset["id"] for page in (first, second) for asset in page["value"]] == [made[1], made[0]]
    answer = requests.get(url, params={"tags": "a=b"}, headers=auth)
    assert (answer.status_code, answer.json()["code"]) == (501, "NotImplementedByFake")
