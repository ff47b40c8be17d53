"""Ways to sign in, and what is told apart when it fails: secret, tenant, application, role, subscription, clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest

import fakes
from fakes.doors.activation import Fake
from fakes.services.signin.models import EXCHANGE, SignIn
from registry.azure.sign_in import Account, authentication, choose_method, explain
from registry.azure.workspace import AzureWorkspace
from registry.errors import Unavailable
from tests.contract.azure import account_in

pytestmark = pytest.mark.azure
NOBODY = "00000000-0000-0000-0000-0000000000ff"
SUBJECT = "repo:me/kit:ref:refs/heads/main"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


@pytest.fixture
def account(fake: Fake) -> Account:
    return account_in(fake)


def refusal(account: Account) -> Unavailable:
    """What opening the workspace is refused with; it must say what to do."""
    with pytest.raises(Unavailable) as failure:
        _ = AzureWorkspace(account).sdk
    assert failure.value.hint
    assert account.client_secret is None or account.client_secret not in str(failure.value)
    return failure.value


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        ({"client_secret": "s3cret-of-another"}, "the client secret is wrong", "SP_APP_SECRET"),
        ({"tenant_id": NOBODY}, "there is no such tenant", "TENANT_ID"),
        ({"client_id": NOBODY}, "the tenant has no such application", "SP_APP_ID"),
        ({"subscription_id": NOBODY}, "cannot see subscription", "SUBSCRIPTION_ID"),
        ({"resource_group": "elsewhere"}, "in resource group 'elsewhere'", "RESOURCE_GROUP"),
        ({"workspace": "nothing"}, "there is no workspace 'nothing'", "mlops azure init"),
        ({"subscription_id": "", "workspace": ""}, "needs SUBSCRIPTION_ID, WORKSPACE_NAME", ".env"),
        ({"method": "service-principal", "client_secret": None}, "needs SP_APP_SECRET", ".env"),
        ({"method": "workload-identity"}, "needs a tenant, a client id and AZURE_FEDERATED_TOKEN_FILE", "azure/login"),
    ],
)
def test_what_is_wrong_is_said(account: Account, change: dict[str, Any], words: str, hint: str) -> None:
    found = refusal(replace(account, **change))
    assert words in str(found)
    assert hint in (found.hint or "")


def test_an_account_without_a_role(fake: Fake, account: Account) -> None:
    message = "The client does not have authorization to perform action 'workspaces/read' over scope 'w'."
    fake.state.faults.add("Workspaces_Get", status=403, code="AuthorizationFailed", message=message, times=None)
    found = refusal(account)
    assert "the account has no role on workspace" in str(found)
    assert "AzureML Data Scientist" in (found.hint or "")


@pytest.fixture
def federated(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A pipeline's token in a file, as the webhook of workload identity leaves it."""
    now = int(time.time())
    claims = {"iss": "https://ci.example", "sub": SUBJECT, "aud": EXCHANGE, "iat": now, "nbf": now, "exp": now + 600}
    (tmp_path / "token").write_text(jwt.encode(claims, "k" * 32, algorithm="HS256"))
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    return replace(account, client_secret=None)


def test_a_pipeline_signs_in_without_a_secret(fake: Fake, federated: Account) -> None:
    fake.state.backend(SignIn).subjects = [SUBJECT]
    assert choose_method(federated) == "workload-identity"
    assert AzureWorkspace(federated).sdk.name == federated.workspace


def test_a_pipeline_that_azure_does_not_know(fake: Fake, federated: Account) -> None:
    fake.state.backend(SignIn).subjects = ["repo:me/kit:environment:production"]
    assert "no federated credential matches this pipeline" in str(refusal(federated))


def test_a_wrong_clock(fake: Fake, federated: Account) -> None:
    fake.state.clock.advance(3600)
    found = refusal(federated)
    assert "the clock of this machine is wrong, or the token has expired" in str(found)
    assert found.hint == "set the clock"


def test_a_managed_identity_of_several(fake: Fake, account: Account) -> None:
    authentication(replace(account, method="managed-identity", client_id=NOBODY)).get_authentication_header()
    asked = [entry for entry in fake.state.requests.entries() if "ManagedIdentity" in entry.operation]
    assert f"client_id={NOBODY}" in asked[-1].url


@pytest.mark.parametrize(
    ("secret", "environ", "method"),
    [
        ("s", {"AZURE_FEDERATED_TOKEN_FILE": "f"}, "service-principal"),
        (None, {"AZURE_FEDERATED_TOKEN_FILE": "f", "IDENTITY_ENDPOINT": "e"}, "workload-identity"),
        (None, {"IDENTITY_ENDPOINT": "e"}, "managed-identity"),
        (None, {"MSI_ENDPOINT": "e"}, "managed-identity"),
    ],
)
def test_what_auto_means(secret: str | None, environ: dict[str, str], method: str) -> None:
    assert choose_method(Account("s", "g", "w", client_secret=secret), {"PATH": "", **environ}) == method


def test_the_cli_comes_last_and_nothing_is_said(tmp_path: Path) -> None:
    nobody = Account("s", "g", "w")
    with pytest.raises(Unavailable, match="nothing to sign in to Azure with"):
        choose_method(nobody, {"PATH": str(tmp_path)})
    (tmp_path / "az").write_text("#!/bin/sh\n")
    (tmp_path / "az").chmod(0o755)
    assert choose_method(nobody, {"PATH": str(tmp_path)}) == "cli"
    assert choose_method(replace(nobody, method="managed-identity"), {"PATH": ""}) == "managed-identity"


def test_what_is_not_known_is_passed_on(account: Account) -> None:
    assert "cannot be reached: first line" in str(explain(RuntimeError("first line\nsecond"), account))
    assert "RuntimeError" in str(explain(RuntimeError(), account))
