"""The flow on the Azure backend over the fake: one word changes, the document stays the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops.__main__ import run

if TYPE_CHECKING:
    from fakes import Fake

pytestmark = [pytest.mark.azure, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    """A fake workspace with what ``mlops azure init`` makes."""
    import fakes

    with fakes.mock_azure() as fake:
        settings = fake.settings
        cluster = (
            f"/subscriptions/{settings.subscription_id}/resourcegroups/{settings.resource_group}"
            "/providers/Microsoft.ContainerService/managedClusters/cluster"
        )
        values = {
            "MLOPS_BACKEND": "azure",
            "MLOPS_STATE": str(tmp_path / "state"),
            "SUBSCRIPTION_ID": settings.subscription_id,
            "RESOURCE_GROUP": settings.resource_group,
            "WORKSPACE_NAME": settings.workspace_name,
            "TENANT_ID": settings.tenant_id,
            "SP_APP_ID": settings.client_id,
            "SP_APP_SECRET": settings.client_secret,
            "LOCATION": settings.region,
            "MLOPS_AZURE_AKS_RESOURCE_ID": cluster,
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(ROOT)
        assert run(["azure", "init", "--yes", "-q"]) == 0
        yield fake


def document(capsys: pytest.CaptureFixture[str], *arguments: str, exit_code: int = 0) -> Any:
    capsys.readouterr()
    code = run([*arguments, "-o", "json", "-q"])
    seen = capsys.readouterr()
    assert code == exit_code, seen.err
    return json.loads(seen.out)


def test_the_flow_releases_and_keeps_as_on_a_laptop(cloud: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    report = document(capsys, "doctor")
    assert report["usable"]
    first = document(capsys, "run")
    assert (first["decision"], first["model"], first["previous"]) == ("promote", "diabetes:1", None)
    assert first["image"]["reference"].endswith(first["image"]["reference"].rpartition("/")[2])
    assert ".azurecr.io/diabetes:1-" in first["image"]["reference"]
    assert [first["services"][stage]["state"] for stage in ("qa", "production")] == ["Healthy"] * 2
    assert "azurecontainer.io" in first["services"]["qa"]["uri"]
    assert first["services"]["production"]["name"] == "diabetes-production"

    kept = document(capsys, "run")
    assert (kept["decision"], kept["model"], kept["previous"]) == ("keep", None, "diabetes:1")
    assert kept["candidate"]["metrics"] == first["metrics"]
    assert kept["services"] == first["services"]

    answer = document(
        capsys,
        "services",
        "invoke",
        "diabetes-production",
        "--data",
        '{"data": [[61, 1, 25.8, 90, 280, 195.4, 55, 5, 4.9972, 90]]}',
    )
    assert "result" in json.dumps(answer)
    shown = document(capsys, "models", "show", "diabetes:1")
    assert shown["lineage"]["code_digest"].startswith("sha256:")
    assert set(shown["aliases"]) == {"candidate", "production", "qa"}
