"""A fake workspace that ``mlops azure init`` has prepared, and the settings that lead to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops.__main__ import run

if TYPE_CHECKING:
    from fakes import Fake

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
    """What a command prints with ``-o json``; its exit code must be `exit_code`."""
    capsys.readouterr()
    code = run([*arguments, "-o", "json", "-q"])
    seen = capsys.readouterr()
    assert code == exit_code, seen.err
    return json.loads(seen.out)
