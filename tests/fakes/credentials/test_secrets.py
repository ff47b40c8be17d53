"""Secrets through the unmodified SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.jobs import cluster, ended, project

pytestmark = pytest.mark.azure


@pytest.fixture
def vault(workspace: Any) -> Any:
    return workspace.get_default_keyvault()


def test_set_get_list_and_delete(vault: Any) -> None:
    vault.set_secret("password", "first")
    vault.set_secret("Password", "second")
    vault.set_secrets({"user": "u", "host-1": "h"})
    assert vault.get_secret("password") == "second"
    assert vault.get_secrets(["user", "nobody"]) == {"user": "u", "nobody": None}
    assert [item["name"] for item in vault.list_secrets()] == ["host-1", "Password", "user"]
    vault.delete_secret("user")
    with pytest.raises(Exception, match="Secret user was not found"):
        vault.get_secret("user")
    with pytest.raises(Exception, match="Secret user was not found"):
        vault.delete_secret("user")


@pytest.mark.parametrize(("name", "value"), [("no_underscores", "x"), ("x" * 128, "x"), ("big", "x" * 25601)])
def test_what_key_vaults_refuse(vault: Any, name: str, value: str) -> None:
    with pytest.raises(Exception, match=r"invalid|larger than 25 KB"):
        vault.set_secret(name, value)
    with pytest.raises(Exception, match=r"invalid|larger than 25 KB"):
        vault.set_secrets({"fine": "x", name: value})
    assert vault.list_secrets() == []


def test_pages_and_batches_by_rest(azure: Any, vault: Any, auth: dict[str, str]) -> None:
    workspace = azure.state.workspace()
    url = f"{workspace.api_url}/credential/v2.0{workspace.arm_id}/secrets"
    vault.set_secrets({f"s{n:03}": str(n) for n in range(150)})
    assert len(vault.list_secrets()) == 150
    assert all("value" not in item for item in requests.get(url, headers=auth).json()["value"])
    names = {"secrets": [{"name": "s000"}, {"name": "none"}]}
    assert requests.post(f"{url}:deletebatch", json=names, headers=auth).status_code == 404
    assert vault.get_secret("s000") == "0"
    assert requests.post(f"{url}:deletebatch", json={"secrets": [{"name": "s000"}]}, headers=auth).status_code == 200
    assert requests.get(f"{url}/s001").status_code == 401


def test_a_run_reads_them(workspace: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azureml.core import Environment, Experiment, ScriptRunConfig

    monkeypatch.chdir(tmp_path)
    vault.set_secret("password", "of the vault")
    cluster(workspace)
    text = "from azureml.core import Run\nprint('it is', Run.get_context().get_secret('password'))\n"
    config = ScriptRunConfig(
        project(tmp_path / "src", train=text),
        script="train.py",
        compute_target="cpu",
        environment=Environment("plain"),
    )
    run = Experiment(workspace, "prices").submit(config)
    assert ended(run) == "Completed"
    run.download_file("user_logs/std_log.txt", output_file_path="log.txt")
    assert "it is of the vault" in Path("log.txt").read_text()
