"""What comes with a workspace and what goes with it, as a program that manages workspaces sees it."""

from __future__ import annotations

import pytest
import requests

from tests.fakes.jobs import alive, cluster, project, until

pytestmark = pytest.mark.azure
ARM = "https://management.azure.com"
VERSION = {"api-version": "2022-05-01"}


@pytest.fixture
def create(azure):
    """Makes a workspace called ``second``."""
    from azureml.core import Workspace

    def made(**more):
        s = azure.settings
        return Workspace.create(
            "second",
            subscription_id=s.subscription_id,
            resource_group=s.resource_group,
            location="westeurope",
            show_output=False,
            **more,
        )

    return made


def test_a_workspace_of_the_same_name_begins_empty(azure, create, tmp_path, monkeypatch):
    from azureml.core import Dataset, Environment, Experiment, Model
    from azureml.core.compute import AmlCompute, ComputeTarget

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"weights")
    old = create()
    Model.register(old, "model.bin", "iris")
    Experiment(old, "tries").start_logging(snapshot_directory=None).complete()
    Environment("mine").register(old)
    Dataset.File.from_files([(old.get_default_datastore(), "x")], validate=False).register(old, "files")
    ComputeTarget.create(old, "cpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1))
    old.delete(delete_dependent_resources=True)
    new = create()
    assert Model.list(new) == []
    assert new.experiments == {}
    assert new.compute_targets == {}
    assert dict(new.datasets) == {}
    assert "mine" not in Environment.list(new)
    assert new.get_details()["workspaceid"] != old._workspace_id_internal


def test_a_workspace_takes_its_runs_along(azure, create, tmp_path):
    from azureml.core import Experiment, ScriptRunConfig

    old = create()
    pid = tmp_path / "pid"
    source = f"import os, pathlib, time\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    config = ScriptRunConfig(
        source_directory=project(tmp_path / "src", train=source), script="train.py", compute_target=cluster(old)
    )
    Experiment(old, "tries").submit(config)
    until(lambda: pid.exists() and pid.read_text(), "the script to begin")
    old.delete()
    new = create()
    until(lambda: not alive(int(pid.read_text())), "the script to end")
    assert new.experiments == {}


def test_the_resources_that_it_was_created_with(azure, create):
    s = azure.settings
    below = f"/subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}/providers"
    given = {
        "storage_account": f"{below}/Microsoft.Storage/storageAccounts/ourdata",
        "container_registry": f"{below}/Microsoft.ContainerRegistry/registries/ourimages",
        "key_vault": f"{below}/Microsoft.KeyVault/vaults/oursecrets",
        "app_insights": f"{below}/microsoft.insights/components/ourinsights",
    }
    details = create(hbi_workspace=True, **given).get_details()
    assert details["storageAccount"] == given["storage_account"]
    assert details["containerRegistry"] == given["container_registry"]
    assert details["keyVault"] == given["key_vault"]
    assert details["applicationInsights"] == given["app_insights"]
    assert details["hbiWorkspace"] is True
    from azureml.core import Workspace

    again = Workspace.get("second", subscription_id=s.subscription_id, resource_group=s.resource_group)
    assert again.get_default_datastore().account_name == "ourdata"
    assert again.list_keys()["containerRegistryCredentials"]["username"] == "ourimages"


def test_the_template_names_what_it_makes(azure, create):
    details = create().get_details()
    assert details["storageAccount"].rpartition("/")[2].startswith("secondstorage")
    assert details["keyVault"].rpartition("/")[2].startswith("secondkeyvault")


@pytest.mark.parametrize(
    "more",
    [
        {"system_datastores_auth_mode": "identity"},
        {"primary_user_assigned_identity": "/subscriptions/x/i", "user_assigned": True},
    ],
    ids=["identity-datastores", "user-assigned-identity"],
)
def test_what_the_fake_cannot_do_is_refused(azure, auth, more):
    s = azure.settings
    user_assigned = more.pop("user_assigned", False)
    names = {
        "system_datastores_auth_mode": "systemDatastoresAuthMode",
        "primary_user_assigned_identity": "primaryUserAssignedIdentity",
    }
    body = {"location": "westeurope", "properties": {names[k]: v for k, v in more.items()}}
    if user_assigned:
        body["identity"] = {"type": "UserAssigned"}
    url = f"{ARM}/subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}"
    url += "/providers/Microsoft.MachineLearningServices/workspaces/second"
    answer = requests.put(url, json=body, headers=auth, params=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotImplementedByFake")
    assert requests.get(url, headers=auth, params=VERSION).status_code == 404


def test_a_patch_changes_what_it_names_or_is_refused(azure, auth):
    s = azure.settings
    url = f"{ARM}{azure.state.workspace().arm_id}"
    insights = f"/subscriptions/{s.subscription_id}/resourceGroups/x/providers/microsoft.insights/components/other"
    options = {"headers": auth, "params": VERSION}
    answer = requests.patch(url, json={"properties": {"applicationInsights": insights}}, **options)
    assert answer.json()["properties"]["applicationInsights"] == insights
    registry = (
        f"/subscriptions/{s.subscription_id}/resourceGroups/x/providers/Microsoft.ContainerRegistry/registries/r2"
    )
    answer = requests.patch(url, json={"properties": {"containerRegistry": registry}}, **options)
    assert answer.json()["properties"]["containerRegistry"] == registry
    keys = requests.post(f"{url}/listKeys", **options).json()
    assert keys["containerRegistryCredentials"]["username"] == "r2"


def test_a_deleted_storage_account_is_gone_and_said_so(azure, auth, workspace):
    s = azure.settings
    below = f"{ARM}/subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}/providers"
    options = {"headers": auth, "params": VERSION}
    account = azure.state.workspace().storage_account
    url = f"{below}/Microsoft.Storage/storageAccounts/{account}"
    workspace.get_default_datastore()
    assert requests.delete(url, **options).status_code == 200
    assert requests.delete(url, **options).status_code == 204
    answer = requests.post(f"{ARM}{azure.state.workspace().arm_id}/listKeys", **options)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "StorageAccountNotFound")
    # What it never had is not there to delete.
    assert requests.delete(f"{below}/Microsoft.Compute/virtualMachines/vm", **options).status_code == 204


def test_a_group_goes_with_what_is_in_it(azure, create, auth):
    s = azure.settings
    create()
    base = f"{ARM}/subscriptions/{s.subscription_id}/resourceGroups/{s.resource_group}"
    options = {"headers": auth, "params": VERSION}
    made = [key.rpartition("/")[2] for key in azure.state.backend(_arm()).deployments]
    assert requests.delete(base, **options).status_code == 200
    requests.put(base, json={"location": "westeurope"}, **options)
    for name in made:
        url = f"{base}/providers/Microsoft.Resources/deployments/{name}"
        assert requests.get(url, **options).json()["error"]["code"] == "DeploymentNotFound"
    assert requests.get(f"{base}/resources", **options).json()["value"] == []


def test_resources_are_found_by_the_filters_that_are_known(azure, auth):
    s = azure.settings
    url = f"{ARM}/subscriptions/{s.subscription_id}/resources"

    def names(wanted):
        answer = requests.get(url, headers=auth, params={**VERSION, "$filter": wanted})
        return [item["name"] for item in answer.json()["value"]] if answer.ok else answer.status_code

    kind = "Microsoft.MachineLearningServices/workspaces"
    assert names(f"resourceType eq '{kind}'") == ["fake-ws"]
    assert names("resourceType eq 'Microsoft.Storage/storageAccounts'") == []
    assert names(f"resourceType eq '{kind}' and name eq 'FAKE-WS'") == ["fake-ws"]
    assert names(f"resourceType eq '{kind}' and name eq 'other'") == []
    assert names("location eq 'eastus'") == []
    assert names("tagName eq 'team' and tagValue eq 'red'") == 501


def _deploy(azure, auth, *resources, **parameters):
    s = azure.settings
    url = f"{ARM}/subscriptions/{s.subscription_id}/resourcegroups/{s.resource_group}"
    template = {"parameters": {name: {"type": "string"} for name in parameters}, "resources": list(resources)}
    values = {name: {"value": value} for name, value in parameters.items()}
    body = {"properties": {"mode": "Incremental", "template": template, "parameters": values}}
    url += "/providers/Microsoft.Resources/deployments/mine"
    return requests.put(url, json=body, headers=auth, params={"api-version": "2020-06-01"})


def test_a_template_of_ones_own(azure, auth):
    kind = "Microsoft.MachineLearningServices/workspaces"
    workspace = {"type": kind, "name": "[parameters('name')]", "location": "[resourceGroup().location]"}
    storage = {"type": "Microsoft.Storage/storageAccounts", "name": "mydata", "location": "westeurope"}
    assert _deploy(azure, auth, storage, workspace, name="from-template").status_code == 201
    assert azure.state.workspace("from-template").location == "westeurope"
    assert "mydata" in azure.state.tenancy.accounts


@pytest.mark.parametrize(
    "resource",
    [
        {"type": "Microsoft.MachineLearningServices/workspaces/computes", "name": "a/b"},
        {"type": "Microsoft.Storage/storageAccounts", "name": "[concat('my', 'data')]"},
        {
            "type": "Microsoft.MachineLearningServices/workspaces",
            "name": "other",
            "location": "westeurope",
            "properties": {"storageAccount": "[resourceId('Microsoft.Storage/storageAccounts', 'x')]"},
        },
    ],
    ids=["type", "name", "property"],
)
def test_a_template_that_the_fake_cannot_follow_makes_nothing(azure, auth, resource):
    before = azure.state.export()["tenancy"]
    answer = _deploy(azure, auth, {"type": "Microsoft.Storage/storageAccounts", "name": "mydata"}, resource)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotImplementedByFake")
    assert azure.state.export()["tenancy"] == before


def test_a_resource_provider_that_is_none(azure, auth):
    url = f"{ARM}/subscriptions/{azure.settings.subscription_id}/providers"
    known = requests.get(f"{url}/Microsoft.MachineLearningServices", headers=auth, params=VERSION)
    assert known.json()["registrationState"] == "Registered"
    answer = requests.get(f"{url}/Nobody.Nothing", headers=auth, params=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "InvalidResourceNamespace")


def _arm():
    from fakes.services.arm.models import ArmBackend

    return ArmBackend
