"""The real SDK signs in, finds its workspace and discovers its services."""

from __future__ import annotations

import uuid

import pytest
import requests

import fakes

pytestmark = pytest.mark.azure


def test_workspace_get_signs_in_and_discovers(door):
    from azureml.core import Workspace

    # A seed of its own: the SDK keeps what it has discovered of a workspace id on disk.
    with fakes.mock_azure(door=door, seed=uuid.uuid4().hex) as azure:
        s = azure.settings
        workspace = Workspace.get(s.workspace_name, subscription_id=s.subscription_id, resource_group=s.resource_group)
        assert workspace.name == "fake-ws"
        assert workspace.location == azure.settings.region
        assert workspace.service_context._get_run_history_url() == "https://westeurope.api.azureml.ms"
        assert azure.state.requests.counts() == {
            "Discovery_Get": 1,
            "SignIn_OpenIdConfiguration": 1,
            "SignIn_Token": 1,
            "Subscriptions_List": 1,
            "Workspaces_Get": 1,
        }


def test_unknown_workspace_is_told_as_azure_tells_it(azure):
    from azureml.core import Workspace
    from azureml.exceptions import ProjectSystemException

    s = azure.settings
    with pytest.raises(ProjectSystemException, match="Workspace not found"):
        Workspace.get("nobody", subscription_id=s.subscription_id, resource_group=s.resource_group)


def test_unknown_operation_has_one_answer(azure, auth):
    for url in (
        "https://management.azure.com/subscriptions/x/nothing?api-version=2020-01-01",
        "https://westeurope.api.azureml.ms/nothing/v1.0?api-version=2020-01-01",
        "https://account.documents.core.windows.net/dbs?api-version=2020-01-01",
        "https://login.microsoftonline.com/a/b/c/d/e?api-version=2020-01-01",
    ):
        answer = requests.get(url, headers=auth)
        assert answer.status_code == 501
        body = answer.json()
        assert body["error"]["code"] == body["code"] == "NotImplementedByFake"
        assert body["apiVersion"] == "2020-01-01"
        assert "2020-01-01" in body["message"] and "docs/fakes-coverage.md" in body["message"]
        assert body["nearest"]


def test_no_token_and_foreign_token_are_refused(azure):
    url = "https://management.azure.com/subscriptions?api-version=2022-12-01"
    assert requests.get(url).status_code == 401
    foreign = {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
    assert requests.get(url, headers=foreign).json()["error"]["code"] == "InvalidAuthenticationToken"
    azure.state.clock.advance(7200)
    stale = {"Authorization": f"Bearer {azure.state.tokens.issue(lifetime=-10)}"}
    assert requests.get(url, headers=stale).json()["error"]["code"] == "ExpiredAuthenticationToken"


def test_api_versions_are_checked(azure, auth):
    url = "https://management.azure.com/subscriptions"
    for query, code in (
        ({}, "MissingApiVersionParameter"),
        ({"api-version": "latest"}, "InvalidApiVersionParameter"),
    ):
        answer = requests.get(url, params=query, headers=auth)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_loose_takes_what_strict_refuses(door):
    url = "https://westeurope.api.azureml.ms/modelmanagement/v1.0{}/models"
    body = {"name": "-odd name", "url": "aml://asset/none", "mimeType": "x", "unheard": 1}
    for strict, status in ((True, 400), (False, 200)):
        with fakes.mock_azure(door=door, strict=strict) as azure:
            headers = {"Authorization": f"Bearer {azure.token()}"}
            answer = requests.post(url.format(azure.state.workspace().arm_id), json=body, headers=headers)
            assert answer.status_code == status
            assert requests.post(url.format(azure.state.workspace().arm_id), json=body).status_code == 401
