"""Tokens that the SDK does not get itself: from the program az, and in exchange for a pipeline's own token."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import fakes
from fakes.doors.activation import Fake
from fakes.services.signin.models import SignIn
from registry.azure import tokens
from registry.azure.sign_in import Account, authentication, choose_method
from registry.azure.workspace import AzureWorkspace
from registry.errors import Unavailable
from rehearse.run.identity import issuer
from tests.contract.azure import account_in

pytestmark = pytest.mark.azure
Install = Callable[[str], Path]


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


@pytest.fixture
def nobody(fake: Fake) -> Account:
    """An account without a secret, as in a step that a pipeline has signed in."""
    return replace(account_in(fake), client_secret=None, client_id="", tenant_id="")


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program az on the path that does what is told; the file in which it notes how it was called."""

    def install(does: str) -> Path:
        calls = tmp_path / "calls"
        program = tmp_path / "az"
        program.write_text(f"#!/bin/sh\necho \"$@\" >> '{calls}'\n{does}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return calls

    return install


def answer(fake: Fake, **changes: object) -> str:
    told = {"accessToken": fake.token(), "expires_on": int(time.time()) + 3600, "tokenType": "Bearer", **changes}
    return f"cat <<'END'\n{json.dumps(told)}\nEND"


def test_the_program_az_signs_in_and_the_package_azure_cli_is_not_needed(
    fake: Fake, nobody: Account, az: Install
) -> None:
    calls = az(answer(fake))
    assert "azure.cli" not in sys.modules
    assert choose_method(nobody) == "cli"
    assert AzureWorkspace(nobody).sdk.name == nobody.workspace
    asked = calls.read_text().splitlines()
    assert asked == ["account get-access-token --resource https://management.core.windows.net/ --output json"]


def test_the_tenant_that_is_set_is_asked_for(fake: Fake, nobody: Account, az: Install) -> None:
    calls = az(answer(fake))
    authentication(replace(nobody, tenant_id="t-1")).get_authentication_header()
    assert calls.read_text().endswith("--output json --tenant t-1\n")


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1", "Please run 'az login'"),
        ("exit 3", "it does not say why"),
        ("echo '{}'", "cannot be read"),
        ("echo not json", "cannot be read"),
    ],
)
def test_an_az_that_gives_no_token(fake: Fake, nobody: Account, az: Install, does: str, words: str) -> None:
    az(does)
    with pytest.raises(Unavailable, match="az gives no token") as failure:
        AzureWorkspace(nobody).sdk  # noqa: B018
    assert words in str(failure.value)
    assert "az" in (failure.value.hint or "")


def test_no_az_at_all(fake: Fake, nobody: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no az on the path"):
        authentication(replace(nobody, method="cli")).get_authentication_header()


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    now, given = 1000.0, []

    def ask(audience: str) -> tuple[str, float]:
        given.append(audience)
        return f"{audience}{len(given)}", now + 3600

    kept = tokens.Kept(ask, lambda: now)
    assert [kept("arm"), kept("arm"), kept("aml"), kept("arm")] == ["arm1", "arm1", "aml2", "arm1"]
    now += 3600 - tokens.EARLY - 1
    assert kept("arm") == "arm1"
    now += 1
    assert kept("arm") == "arm3"


def test_the_token_of_an_old_az_is_used_once() -> None:
    """It says only in local time when it ends: asking again is right, if slower."""
    given = iter("ab")
    kept = tokens.Kept(lambda audience: (next(given), 0.0))
    assert [kept("arm"), kept("arm")] == ["a", "b"]


def test_a_job_of_github_gets_a_token_of_azure_as_often_as_it_needs_one(
    fake: Fake, nobody: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What azure/login leaves ends after an hour and cannot be renewed; the job itself gets a new token each time."""
    fake.state.backend(SignIn).subjects = ["repo:me/kit:environment:production"]
    monkeypatch.setenv("AZURE_CLIENT_ID", account_in(fake).client_id)
    monkeypatch.setenv("AZURE_TENANT_ID", account_in(fake).tenant_id)
    with issuer() as github:
        for name, value in github.variables("repo:me/kit:environment:production").items():
            monkeypatch.setenv(name, value)
        assert choose_method(nobody) == "workload-identity"
        assert AzureWorkspace(nobody).sdk.name == nobody.workspace
        asked = tokens.federated("", "", lambda said: Unavailable(said))
        before = github.given
        ends = [asked("https://ml.azure.com")[1], asked("https://ml.azure.com")[1]]
        assert github.given == before + 2
        assert min(ends) > time.time() + tokens.EARLY
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of another job")
        with pytest.raises(Unavailable, match="GitHub gives this job no token") as failure:
            asked("https://ml.azure.com")
        assert "id-token: write" in (failure.value.hint or "")


def test_a_job_of_github_without_a_client_signs_in_otherwise(tmp_path: Path) -> None:
    assert not tokens.pipelines_own({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.test"})
    assert tokens.pipelines_own({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.test", "AZURE_CLIENT_ID": "c"})
