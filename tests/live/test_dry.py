"""The machinery of a live run, against the fake: it clears away, spares what is others', and proves nothing falsely."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fakes.core.application import discover
from fakes.core.verified import FILE
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from tests.live.evidence import OTHER_FILE, Evidence
from tests.live.workspace import ASKED, NEEDED, TAG, NotOurs, account_of, drop, left, make, purge, why_not

if TYPE_CHECKING:
    from fakes import Fake

pytestmark = pytest.mark.azure
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fake() -> Iterator[Fake]:
    import fakes

    with fakes.mock_azure(door="server") as fake:
        yield fake


@pytest.fixture
def environ(fake: Fake) -> dict[str, str]:
    s = fake.settings
    return {
        ASKED: "1",
        "SUBSCRIPTION_ID": s.subscription_id,
        "RESOURCE_GROUP": s.resource_group,
        "LOCATION": s.region,
        "TENANT_ID": s.tenant_id,
        "SP_APP_ID": s.client_id,
        "SP_APP_SECRET": s.client_secret,
    }


@pytest.mark.slow
def test_a_contract_suite_runs_in_a_workspace_of_its_own_that_is_gone_after(
    fake: Fake, environ: dict[str, str], tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence.json"
    evidence.write_text(json.dumps({"Kept_FromBefore": {"date": "2026-01-01", "sdk": "1"}}))
    known = [workspace.name for workspace in fake.state.tenancy.workspaces.values()]
    suite = "tests/registry/test_azure.py::TestAzureModelRegistry"
    tests = [
        f"{suite}::{name}[live]"
        for name in ("test_a_version_is_what_was_registered", "test_a_number_is_never_given_again")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**os.environ, **environ, OTHER_FILE: str(evidence)},
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    document = json.loads(evidence.read_text())
    assert document["Kept_FromBefore"]["sdk"] == "1"
    assert document["Models_Register"]["sdk"] == metadata.version("azureml-core")
    assert set(document) - {"Kept_FromBefore"} <= {route.operation for s in discover() for route in s.routes}
    assert [workspace.name for workspace in fake.state.tenancy.workspaces.values()] == known
    assert fake.state.requests.counts()["Workspaces_Delete"] == 1
    assert not FILE.exists() or "Kept_FromBefore" not in FILE.read_text()


@pytest.mark.slow
def test_what_a_killed_run_left_is_found_and_others_are_safe(
    fake: Fake, environ: dict[str, str], tmp_path: Path
) -> None:
    account = make(environ)
    workspace = AzureWorkspace(account)
    (tmp_path / "model.txt").write_text("m")
    registry = AzureModelRegistry(workspace)
    registry.register("line", tmp_path / "model.txt")
    registry.set_alias("line", "qa", 1, who="me", why="test")
    purge(workspace)
    assert (registry.names(), registry.history("line")) == ([], [])

    (found,) = left(environ)
    assert found.name == account.workspace
    assert TAG in found.tags
    other = AzureWorkspace(account_of(environ, fake.settings.workspace_name))
    for delete in (lambda: purge(other), lambda: drop(other.sdk)):
        with pytest.raises(NotOurs, match=fake.settings.workspace_name):
            delete()
    drop(found)
    assert left(environ) == []


def test_without_the_variables_there_is_no_live_run(environ: dict[str, str]) -> None:
    assert why_not(environ) == ""
    for name in (ASKED, *NEEDED):
        assert name in why_not({**environ, name: ""})


def test_the_fake_is_no_evidence(tmp_path: Path) -> None:
    evidence = Evidence()
    scope = "subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
    models = f"https://westeurope.api.azureml.ms/modelmanagement/v1.0/{scope}/models?count=1"
    with evidence.test(lambda: False):
        evidence.note("GET", models, 200)
    assert evidence.operations == set(), "the test failed"
    with evidence.test(lambda: True):
        evidence.note("GET", models, 200)
        evidence.note("GET", "https://example.org/", 200)
        evidence.note("POST", models, 409)
    assert evidence.operations == {"Models_List"}
    evidence.write(tmp_path / "live.json")
    assert set(json.loads((tmp_path / "live.json").read_text())) == {"Models_List"}

    with evidence.test(lambda: True):
        evidence.note("GET", models, 200, "fakes")
    with pytest.raises(RuntimeError, match="ran against the fake"):
        evidence.write(FILE)
