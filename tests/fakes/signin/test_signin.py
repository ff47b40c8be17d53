"""Signing in: service principal, managed identity, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
import requests

import fakes
from fakes.services.signin.azure_cli import CLIENT
from fakes.services.signin.models import SignIn

LOGIN = "https://login.microsoftonline.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SUBSCRIPTIONS = "https://management.azure.com/subscriptions?api-version=2022-12-01"


def _form(azure, **change):
    form = {
        "grant_type": "client_credentials",
        "client_id": azure.settings.client_id,
        "client_secret": azure.settings.client_secret,
        "scope": "https://management.core.windows.net//.default",
    }
    return {name: value for name, value in {**form, **change}.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_secret": None}, 401, 7000218),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, 700016),
        ({"grant_type": None}, 400, 900144),
        ({"grant_type": "telepathy"}, 400, 70003),
        ({"scope": None}, 400, 900144),
    ],
)
def test_refusals_carry_entra_codes(azure, change, status, code):
    answer = requests.post(f"{LOGIN}/{azure.settings.tenant_id}/oauth2/v2.0/token", data=_form(azure, **change))
    assert answer.status_code == status
    assert answer.json()["error_codes"] == [code]
    assert answer.json()["error_description"].startswith(f"AADSTS{code}: ")


def test_wrong_tenant(azure):
    tenant = "00000000-0000-0000-0000-000000000000"
    for path in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
        assert requests.get(f"{LOGIN}/{tenant}/{path}").json()["error_codes"] == [90002]


def test_both_token_addresses_and_audiences(azure):
    base = f"{LOGIN}/{azure.settings.tenant_id}/oauth2"
    v2 = requests.post(f"{base}/v2.0/token", data=_form(azure)).json()
    v1 = requests.post(f"{base}/token", data=_form(azure, scope=None, resource="https://management.azure.com/")).json()
    for answer in (v1, v2):
        claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
        assert claims["tid"] == azure.settings.tenant_id
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        found = requests.get(SUBSCRIPTIONS, headers=headers)
        assert found.status_code == 200
    graph = requests.post(f"{base}/v2.0/token", data=_form(azure, scope="https://graph.microsoft.com/.default")).json()
    headers = {"Authorization": f"Bearer {graph['access_token']}"}
    refused = requests.get(SUBSCRIPTIONS, headers=headers)
    assert refused.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


def test_managed_identity(azure):
    url = "http://169.254.169.254/metadata/identity/oauth2/token"
    query = {"api-version": "2018-02-01", "resource": "https://management.azure.com/"}
    assert requests.get(url, params=query).status_code == 400
    token = requests.get(url, params=query, headers={"Metadata": "true"}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(SUBSCRIPTIONS, headers=headers).status_code == 200
    query["api-version"] = "1999-01-01"
    assert requests.get(url, params=query, headers={"Metadata": "true"}).status_code == 400


def test_instance_discovery(azure):
    answer = requests.get(f"{LOGIN}/common/discovery/instance", params={"api-version": "1.1"}).json()
    assert "login.microsoftonline.com" in answer["metadata"][0]["aliases"]


@pytest.mark.azure
def test_the_sdk_tells_a_wrong_secret(azure):
    from azureml.core import Workspace
    from azureml.core.authentication import ServicePrincipalAuthentication

    s = azure.settings
    auth = ServicePrincipalAuthentication(s.tenant_id, s.client_id, "wrong")
    with pytest.raises(Exception, match="AADSTS7000215"):
        Workspace.get("fake-ws", auth=auth, subscription_id=s.subscription_id, resource_group=s.resource_group)


@pytest.mark.azure
def test_the_sdk_takes_a_token_of_ours(azure):
    from azureml.core import Workspace
    from azureml.core.authentication import TokenAuthentication

    s = azure.settings
    auth = TokenAuthentication(lambda audience: azure.token(), cloud="AzureCloud")
    found = Workspace.get("fake-ws", auth=auth, subscription_id=s.subscription_id, resource_group=s.resource_group)
    assert found.location == s.region


def test_openid_configuration_of_both_versions(azure):
    for path in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
        answer = requests.get(f"{LOGIN}/{azure.settings.tenant_id}/{path}").json()
        assert answer["token_endpoint"].endswith("/oauth2/v2.0/token")


@pytest.mark.azure
def test_the_sdk_signs_in_with_a_managed_identity(azure):
    from azureml.core import Workspace
    from azureml.core.authentication import MsiAuthentication

    s = azure.settings
    found = Workspace.get(
        "fake-ws", auth=MsiAuthentication(), subscription_id=s.subscription_id, resource_group=s.resource_group
    )
    assert found.location == s.region
    assert "SignIn_ManagedIdentityToken" in azure.state.requests.counts()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"aud": ["api://AzureADTokenExchange"]}, None),
        ({"aud": "https://elsewhere"}, 700212),
        ({"sub": "somebody"}, 700213),
        ({"exp": 10}, 700024),
        ({"nbf": 10**10}, 700024),
        ({"exp": None}, 50027),
    ],
)
def test_a_token_of_another_issuer_is_exchanged(azure, change, code):
    azure.state.backend(SignIn).subjects = ["repo:me/kit"]
    now = int(azure.state.clock.timestamp())
    claims = {"sub": "repo:me/kit", "aud": "api://AzureADTokenExchange", "nbf": now, "exp": now + 600, **change}
    token = jwt.encode({name: value for name, value in claims.items() if value is not None}, "k" * 32)
    form = _form(azure, client_secret=None, client_assertion=token, client_assertion_type=ASSERTION)
    answer = requests.post(f"{LOGIN}/{azure.settings.tenant_id}/oauth2/v2.0/token", data=form)
    assert answer.json().get("error_codes", [None]) == [code]
    assert answer.status_code == (200 if code is None else 401)
    assert ("access_token" in answer.json()) == (code is None)


# ---- a user, and what the az CLI keeps of one


def _token(azure, **form):
    url = f"{LOGIN}/{azure.settings.tenant_id}/oauth2/v2.0/token"
    return requests.post(url, data={"client_id": CLIENT, "scope": "https://management.azure.com//.default", **form})


def test_a_refresh_token_gives_a_token_of_the_user_and_another_refresh_token(azure):
    form = {"grant_type": "refresh_token", "refresh_token": azure.state.tokens.issue_refresh()}
    for _ in range(2):
        answer = _token(azure, **form).json()
        claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
        assert (claims["oid"], claims["idtyp"], claims["appid"]) == (azure.settings.user_id, "user", CLIENT)
        headers = {"Authorization": f"Bearer {answer['access_token']}"}
        assert requests.get(SUBSCRIPTIONS, headers=headers).status_code == 200
        form["refresh_token"] = answer["refresh_token"]
    azure.reset()
    assert _token(azure, **form).status_code == 200, "the same seed knows it again"
    azure.reset(seed="another")
    assert _token(azure, **form).json()["error_codes"] == [9002313]


def test_wrong_and_old_refresh_tokens_and_users_are_refused(azure):
    good, s = azure.state.tokens.issue_refresh(), azure.settings
    refresh = {"grant_type": "refresh_token"}
    password = {"grant_type": "password", "username": s.user_name, "password": s.user_password}
    assert _token(azure, **password).json()["refresh_token"]
    for form, code in (
        (refresh, 9002313),
        ({**refresh, "refresh_token": "0.Axxx"}, 9002313),
        ({**refresh, "refresh_token": azure.token()}, 9002313),
        ({**password, "password": "wrong"}, 50126),
        ({**password, "username": "nobody@fakes.example"}, 50034),
    ):
        answer = _token(azure, **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert answer.json()["error_codes"] == [code]
        assert answer.json()["error_description"].startswith(f"AADSTS{code}: ")
    azure.state.clock.advance(91 * 86400)
    assert _token(azure, **refresh, refresh_token=good).json()["error_codes"] == [700082]
    headers = {"Authorization": f"Bearer {good}"}
    assert requests.get(SUBSCRIPTIONS, headers=headers).status_code == 401


@pytest.fixture
def cli(door):
    """A fake whose programs sign in with what ``az login`` left."""
    with fakes.mock_azure(door=door, sign_in="azure-cli") as fake:
        yield fake
        assert fake.state.bugs == []


def _cli_workspace(cli, **auth):
    from azureml.core import Workspace

    s = cli.settings
    where = {"subscription_id": s.subscription_id, "resource_group": s.resource_group}
    return Workspace.get(s.workspace_name, **where, **auth)


@pytest.mark.azure
def test_the_sdk_signs_in_with_the_files_of_the_az_cli(cli):
    """Without ``auth``: no service principal is in the variables, so it looks into the az CLI's folder."""
    pytest.importorskip("azureml.core")
    assert not [name for name in os.environ if "SERVICE_PRINCIPAL" in name or name in ("AZURE_CLIENT_ID", "SP_APP_ID")]
    assert Path(os.environ["AZURE_CONFIG_DIR"]).is_relative_to(os.environ["HOME"])
    assert _cli_workspace(cli).location == cli.settings.region
    entry = cli.state.requests.entries(operation="Workspaces_Get")[-1]
    assert entry.status == 200 and cli.state.requests.counts()["SignIn_Token"] >= 1


@pytest.mark.azure
def test_the_sdk_does_not_sign_in_with_files_that_another_fake_left(cli):
    from azureml.core.authentication import InteractiveLoginAuthentication

    file = Path(os.environ["AZURE_CONFIG_DIR"]) / "msal_token_cache.json"
    file.write_text(file.read_text().replace('"secret": "0.A', '"secret": "0.B'))
    # It goes on with the interactive ways: a device code, which the fake does not have.
    with pytest.raises(ValueError, match="NotImplementedByFake"):
        InteractiveLoginAuthentication()
    refused = cli.state.requests.entries(operation="SignIn_Token")
    assert refused and all(entry.status == 400 and "AADSTS9002313" in entry.response_body for entry in refused)


@pytest.mark.azure
def test_the_sdk_signs_in_through_the_azure_cli_package(cli):
    """Where azure-cli-core is installed beside the SDK."""
    pytest.importorskip("azure.cli.core")
    from azureml.core.authentication import AzureCliAuthentication
    from azureml.exceptions import AuthenticationException

    file = Path(os.environ["AZURE_CONFIG_DIR"]) / "msal_token_cache.json"
    good = file.read_text()
    file.write_text(good.replace('"secret": "0.A', '"secret": "0.B'))
    with pytest.raises(AuthenticationException, match="Please run 'az login'") as raised:
        _cli_workspace(cli, auth=AzureCliAuthentication())
    assert "AADSTS9002313" in str(raised.value)
    file.write_text(good)
    assert _cli_workspace(cli, auth=AzureCliAuthentication()).location == cli.settings.region


@pytest.mark.azure
def test_a_program_behind_one_prefix_signs_in_as_the_az_cli_does(monkeypatch):
    monkeypatch.setenv("SP_APP_ID", "the user's own")
    program = (
        "import os; from azureml.core import Workspace; e = os.environ; print(Workspace.get(e['WORKSPACE_NAME'], "
        "subscription_id=e['SUBSCRIPTION_ID'], resource_group=e['RESOURCE_GROUP']).name, 'SP_APP_ID' in e)"
    )
    command = [sys.executable, "-m", "fakes", "run", "--sign-in", "azure-cli", "--", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["fake-ws False"], done.stderr


def test_a_token_for_azure_ml_is_none_for_the_resource_manager(azure):
    token = azure.state.tokens.issue(audience="https://ml.azure.com/")
    headers = {"Authorization": f"Bearer {token}"}
    workspace = azure.state.workspace()
    arm = f"https://management.azure.com{workspace.arm_id}?api-version=2022-05-01"
    answer = requests.get(arm, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")
    models = f"{workspace.api_url}/modelmanagement/v1.0{workspace.arm_id}/models"
    assert requests.get(models, headers=headers).status_code == 200
