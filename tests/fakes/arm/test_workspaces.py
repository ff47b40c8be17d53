"""Workspaces and resource groups through the SDK and plain requests."""

from __future__ import annotations

import json

import pytest
import requests

pytestmark = pytest.mark.azure
ARM = "https://management.azure.com"
VERSION = {"api-version": "2022-05-01"}


def test_create_list_update_delete(azure):
    from azureml.core import Workspace
    from azureml.exceptions import ProjectSystemException

    where = {"subscription_id": azure.settings.subscription_id, "resource_group": "new-rg"}
    made = Workspace.create("new-ws", location="northeurope", create_resource_group=True, show_output=False, **where)
    assert (made.name, made.location) == ("new-ws", "northeurope")
    assert set(Workspace.list(where["subscription_id"])) == {"fake-ws", "new-ws"}
    assert set(Workspace.list(where["subscription_id"], resource_group="new-rg")) == {"new-ws"}
    made.update(friendly_name="new", description="of today", tags={"team": "red"})
    again = Workspace.get("new-ws", **where)
    assert (again.tags, again.get_details()["description"]) == ({"team": "red"}, "of today")
    assert (
        Workspace.create("new-ws", exist_ok=True, location="northeurope", **where).get_details()["workspaceid"]
        == (made.get_details()["workspaceid"])
    )
    again.delete(delete_dependent_resources=True, no_wait=True)
    with pytest.raises(ProjectSystemException, match="Workspace not found"):
        Workspace.get("new-ws", **where)


def test_keys_open_the_storage_account(azure, workspace):
    keys = workspace.list_keys()
    account = azure.state.tenancy.accounts[azure.state.workspace().storage_account]
    assert keys["userStorageKey"] == account.keys[0]
    assert keys["containerRegistryCredentials"]["username"] == azure.state.workspace().container_registry
    workspace.sync_keys()


def test_from_config_needs_no_arguments(azure, tmp_path, monkeypatch):
    from azureml.core import Workspace

    s = azure.settings
    config = {"subscription_id": s.subscription_id, "resource_group": s.resource_group, "workspace_name": "fake-ws"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    assert Workspace.from_config().name == "fake-ws"


def test_subscription_that_is_not_ours(azure):
    from azureml.core import Workspace
    from azureml.exceptions import UserErrorException

    with pytest.raises(UserErrorException, match="You don't have access"):
        Workspace.get("fake-ws", subscription_id="00000000-0000-0000-0000-000000000000", resource_group="fake-rg")


def test_resource_groups(azure, auth):
    base = f"{ARM}/subscriptions/{azure.settings.subscription_id}/resourcegroups"
    options = {"headers": auth, "params": VERSION}
    assert requests.head(f"{base}/none", **options).status_code == 404
    assert requests.put(f"{base}/g1", json={}, **options).json()["error"]["code"] == "LocationRequired"
    assert requests.put(f"{base}/g1.", json={"location": "westeurope"}, **options).status_code == 400
    assert requests.put(f"{base}/g1", json={"location": "West Europe"}, **options).status_code == 201
    assert requests.put(f"{base}/g1", json={"location": "westeurope"}, **options).status_code == 200
    assert requests.put(f"{base}/G1", json={"location": "eastus"}, **options).status_code == 409
    assert requests.head(f"{base}/G1", **options).status_code == 204
    assert {g["name"] for g in requests.get(base, **options).json()["value"]} == {"fake-rg", "g1"}
    assert requests.get(f"{base}/g1/resources", **options).json()["value"] == []
    assert requests.delete(f"{base}/g1", **options).status_code == 200
    assert requests.get(f"{base}/g1", **options).json()["error"]["code"] == "ResourceGroupNotFound"


def test_workspace_by_rest(azure, auth):
    sub = azure.settings.subscription_id
    base = f"{ARM}/subscriptions/{sub}/resourceGroups/fake-rg/providers/Microsoft.MachineLearningServices/workspaces"
    options = {"headers": auth, "params": VERSION}
    body = {"location": "westeurope", "sku": {"name": "Basic"}}
    assert requests.put(f"{base}/x", json=body, **options).status_code == 400
    assert requests.put(f"{base}/rest-ws", json=body, **options).status_code == 201
    assert requests.get(f"{base.lower()}/REST-WS", **options).json()["name"] == "rest-ws"
    answer = requests.patch(f"{base}/rest-ws", json={"properties": {"workspaceId": "x"}}, **options)
    assert answer.status_code == 400
    found = requests.get(f"{ARM}/subscriptions/{sub}/providers/Microsoft.MachineLearningServices/workspaces", **options)
    assert [w["name"] for w in found.json()["value"]] == ["fake-ws", "rest-ws"]
    assert requests.get(f"{ARM}/subscriptions/{sub}", **options).json()["subscriptionId"] == sub
    assert requests.delete(f"{base}/rest-ws", **options).status_code == 200
    assert requests.delete(f"{base}/rest-ws", **options).status_code == 204


def test_failing_deployment_is_told(azure):
    from azureml.core import Workspace

    azure.state.transitions.set("deployment", failure={"code": "QuotaExceeded", "message": "no cores left"})
    with pytest.raises(Exception, match="Unable to create the workspace"):
        Workspace.create(
            "new-ws", subscription_id=azure.settings.subscription_id, resource_group="fake-rg", location="westeurope"
        )
    assert [w.name for w in azure.state.tenancy.workspaces.values()] == ["fake-ws"]
