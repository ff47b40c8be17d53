"""Datastores through the unmodified SDK (control plane)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.azure
KEY = base64.b64encode(b"k" * 32).decode()


def register(workspace: Any, name: str, **options: Any) -> Any:
    from azureml.core import Datastore

    chosen = {"container_name": "data", "account_name": "strangers", "account_key": KEY, **options}
    return Datastore.register_azure_blob_container(workspace, name, **chosen)


def test_the_built_in_ones(workspace: Any) -> None:
    assert workspace.get_default_datastore().name == "workspaceblobstore"
    assert {"workspaceblobstore", "workspacefilestore", "workspaceartifactstore"} <= workspace.datastores.keys()


def test_register_get_default_and_unregister(workspace: Any) -> None:
    from azureml.core import Datastore

    register(workspace, "mine")
    found = Datastore.get(workspace, "mine")
    assert (found.account_name, found.container_name) == ("strangers", "data")
    workspace.set_default_datastore("mine")
    assert workspace.get_default_datastore().name == "mine"
    workspace.set_default_datastore("workspaceblobstore")
    found.unregister()
    with pytest.raises(Exception, match="Could not find datastore"):
        Datastore.get(workspace, "mine")


def test_a_taken_name_needs_overwrite(workspace: Any) -> None:
    register(workspace, "mine")
    with pytest.raises(Exception, match="same name already exists"):
        register(workspace, "mine", container_name="other")
    assert register(workspace, "mine", container_name="other", overwrite=True).container_name == "other"


def test_bad_names_and_keys_are_refused(workspace: Any) -> None:
    with pytest.raises(Exception, match="invalid"):
        register(workspace, "no-dashes")
    own = workspace.get_default_datastore().account_name
    with pytest.raises(Exception, match="Please make sure the credentials are correct"):
        register(workspace, "mine", account_name=own)
    with pytest.raises(Exception, match="invalid characters"):
        register(workspace, "mine", container_name="No_Container")


def test_the_default_cannot_be_deleted(workspace: Any) -> None:
    with pytest.raises(Exception, match="default datastore cannot be deleted"):
        workspace.get_default_datastore().unregister()


def through(datastore: Any, folder: Path) -> list[str]:
    """Upload a file and download it again; what came."""
    (folder / "up").mkdir(parents=True)
    (folder / "up" / "a.csv").write_text("x,y\n1,2\n")
    datastore.upload(str(folder / "up"), target_path="in", show_progress=False)
    datastore.download(str(folder / "down"), prefix="in", show_progress=False)
    return [path.read_text() for path in (folder / "down").rglob("*.csv")]


def test_data_in_an_account_that_is_not_the_workspaces(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset

    datastore = register(workspace, "theirs")
    assert through(datastore, tmp_path) == ["x,y\n1,2\n"]
    frame = Dataset.Tabular.from_delimited_files([(datastore, "in/a.csv")]).to_pandas_dataframe()
    assert frame.to_dict("list") == {"x": [1], "y": [2]}
    with pytest.raises(Exception, match="Please make sure the credentials are correct"):
        register(workspace, "wrong", account_key=base64.b64encode(b"z" * 32).decode())
    # Unchecked, it is kept, and refused when it is used.
    wrong = register(workspace, "wrong", account_key=base64.b64encode(b"z" * 32).decode(), skip_validation=True)
    with pytest.raises(Exception, match="authenticate"):
        next(wrong.blob_service.get_container_client("data").list_blobs(), None)


def test_what_was_refused_leaves_nothing_behind(azure: Any, workspace: Any) -> None:
    keys = [base64.b64encode(letter * 32).decode() for letter in (b"1", b"2")]
    with pytest.raises(Exception, match="invalid characters"):
        register(workspace, "x", account_name="extacct", container_name="X", account_key=keys[0])
    assert "extacct" not in azure.state.tenancy.accounts
    found = register(workspace, "x", account_name="extacct", container_name="data", account_key=keys[1])
    assert found.account_name == "extacct"


def test_a_container_is_made_on_request_only(workspace: Any, tmp_path: Path) -> None:
    own = workspace.get_default_datastore()
    where = {"account_name": own.account_name, "account_key": own.account_key, "container_name": "fresh"}
    with pytest.raises(Exception, match="container does not exist"):
        register(workspace, "fresh", **where)
    assert through(register(workspace, "fresh", create_if_not_exists=True, **where), tmp_path) == ["x,y\n1,2\n"]
    assert register(workspace, "again", **where).container_name == "fresh"


def test_shared_access_signatures(azure: Any, workspace: Any, tmp_path: Path) -> None:
    from fakes.services.blob.models import BlobBackend

    # Of an account that the fake does not have nobody can tell whether a signature is good.
    theirs = register(workspace, "theirs", account_name="faraway", account_key=None, sas_token="sv=1&sig=abc%3D")
    assert through(theirs, tmp_path / "theirs") == ["x,y\n1,2\n"]
    own = azure.state.workspace()
    where = {"account_name": own.storage_account, "account_key": None, "container_name": own.blobstore}
    with pytest.raises(Exception, match="Please make sure the credentials are correct"):
        register(workspace, "wrong", sas_token="sv=1&sig=abc%3D", **where)
    good = azure.state.backend(BlobBackend).sas_url(own.storage_account, own.blobstore, "", permissions="rcwl")
    signed = register(workspace, "signed", sas_token=good.partition("?")[2], **where)
    assert through(signed, tmp_path / "signed") == ["x,y\n1,2\n"]


def test_what_was_adopted_outlives_an_export(azure: Any, workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Datastore

    register(workspace, "theirs", account_name="faraway", account_key=None, sas_token="sv=1&sig=abc%3D")
    document = azure.state.export()
    azure.state.reset()
    azure.state.load(document)
    assert through(Datastore.get(workspace, "theirs"), tmp_path) == ["x,y\n1,2\n"]
