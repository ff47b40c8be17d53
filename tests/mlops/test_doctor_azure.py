"""``mlops doctor --backend azure`` over the fake: what is wrong in the cloud, and what to do about it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from mlops.__main__ import run
from tests.mlops.cloud import cloud, document

if TYPE_CHECKING:
    from fakes import Fake

__all__ = ["cloud"]
pytestmark = pytest.mark.azure


def test_a_good_day_and_bad_ones(
    cloud: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fakes.services.authorization.models import Permissions
    from fakes.services.compute.models import Computes

    def findings(exit_code: int = 0) -> dict[str, dict[str, Any]]:
        report = document(capsys, "doctor", exit_code=exit_code)
        assert report["usable"] == (exit_code == 0)
        return {check["name"]: check for check in report["checks"]}

    good = findings()
    assert {"azureml-core", "clock", "sign-in", "workspace", "region", "role", "compute cluster", "AKS cluster"} <= set(
        good
    )
    assert {good[name]["state"] for name in good if name not in ("project", "lock")} == {"ok"}
    assert "4 of 4 nodes of STANDARD_DS2_V2 (2 cores each) can run" in good["quota"]["detail"]
    assert "3 nodes of Standard_D3_v2: 12 cores" in good["AKS cores"]["detail"]

    computes, permissions = cloud.state.backend(Computes), cloud.state.backend(Permissions)
    computes.family_quota["DSv2"] = 6
    monkeypatch.setenv("LOCATION", "northeurope")
    monkeypatch.setenv("MLOPS_SERVICES_REPLICAS_MAX", "20")
    worse = findings()
    assert [worse[name]["state"] for name in ("quota", "region", "AKS cores")] == ["note"] * 3
    assert "Standard DSv2 Family Cluster Dedicated vCPUs: 0 of 6 taken" in worse["quota"]["detail"]

    computes.family_quota["DSv2"] = 0
    assert findings(exit_code=8)["quota"]["state"] == "missing"

    permissions.granted = [{"actions": ["*/read"], "notActions": []}]
    role = findings(exit_code=8)["role"]
    assert role["state"] == "missing"
    assert "register models" in role["detail"]
    assert "AzureML Data Scientist" in role["mend"]

    # A role may not even let one read what it allows: that is no reason to stop.
    rule = cloud.state.faults.add("Permissions_ListForResource", status=403, code="AuthorizationFailed", times=None)
    computes.family_quota.clear()
    unseen = findings()["role"]
    assert (unseen["state"], rule.hits) == ("note", 1)
    assert "what else is allowed cannot be seen" in unseen["detail"]

    cloud.state.clock.advance(600)
    late = findings(exit_code=8)
    assert late["clock"]["state"] == "missing"
    assert "sign-in" not in late, "what depends on the clock is not asked"


@pytest.mark.parametrize(
    ("name", "value", "missing", "mend"),
    [
        ("SP_APP_SECRET", "wrong", "sign-in", "SP_APP_SECRET"),
        ("TENANT_ID", "", "sign-in", ".env"),
        ("WORKSPACE_NAME", "nowhere", "workspace", "mlops azure init"),
        ("SUBSCRIPTION_ID", "11111111-0000-0000-0000-000000000000", "workspace", "SUBSCRIPTION_ID"),
    ],
)
def test_signing_in_is_not_called_ok_before_it_was_done(
    cloud: Fake,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    missing: str,
    mend: str,
) -> None:
    monkeypatch.setenv(name, value)
    checks = document(capsys, "doctor", exit_code=8)["checks"]
    states = {check["name"]: check["state"] for check in checks if check["name"] in ("sign-in", "workspace")}
    assert states == ({"sign-in": "missing"} if missing == "sign-in" else {"sign-in": "ok", "workspace": "missing"})
    assert mend in checks[-1]["mend"]


def test_what_is_there_needs_no_region_and_a_question_an_answer(
    cloud: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCATION", "")
    rows = document(capsys, "azure", "init")
    assert [(row["kind"], row["state"]) for row in rows] == [
        ("workspace", "there"),
        ("compute cluster", "there"),
        ("AKS", "there"),
    ]
    monkeypatch.setenv("MLOPS_AZURE_COMPUTE", "another")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["azure", "init"]) == 2
    assert "nobody answers the question: nothing was made" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(["azure", "init"]) == 130
    monkeypatch.setenv("WORKSPACE_NAME", "another")
    error = document(capsys, "azure", "init", exit_code=2)["error"]
    assert error["message"] == "no region is set"
