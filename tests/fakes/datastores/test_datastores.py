"""Datastores through the unmodified SDK (control plane)."""

from __future__ import annotations

import base64
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
    with pytest.raises(Exception, match="authentication failed"):
        register(workspace, "mine", account_name=own)


def test_the_default_cannot_be_deleted(workspace: Any) -> None:
    with pytest.raises(Exception, match="default datastore cannot be deleted"):
        workspace.get_default_datastore().unregister()
