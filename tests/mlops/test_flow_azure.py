"""The flow on the Azure backend over the fake: one word changes, the document stays the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.provenance import code_digest
from tests.mlops.cloud import ROOT, cloud, document

if TYPE_CHECKING:
    from fakes import Fake

__all__ = ["cloud"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]


def deployed(cloud: Fake) -> list[Path]:
    """The folders of code of the containers that serve."""
    from fakes.services.webservices.models import Webservices

    services = cloud.state.backend(Webservices)
    units = [unit for items in services.items.values() for item in items.values() for unit in item.units.values()]
    found = []
    for unit in units:
        running = services.runtime.get(unit.serving.id) if unit.serving else None
        assert running is not None and running.layout is not None
        (script,) = running.layout.root.rglob("score/score.py")
        found.append(script.parents[1])
    return found


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
    # What trained and what serves, on the cluster and in the containers, is what this checkout holds: test_flow.py says
    # the same of local runs.
    code = code_digest(ROOT)
    assert shown["lineage"]["code_digest"] == code
    assert document(capsys, "runs", "show", first["candidate"]["run_id"])["tags"]["code_digest"] == code
    assert [code_digest(folder) for folder in deployed(cloud)] == [code, code]
    assert set(shown["aliases"]) == {"candidate", "production", "qa"}
