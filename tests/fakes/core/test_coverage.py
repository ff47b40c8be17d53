"""The coverage page says what is so."""

from __future__ import annotations

import json

import pytest

from fakes.core.application import discover, labelled
from fakes.core.evidence import Evidence
from fakes.core.verified import verified_live
from tests.fakes import coverage

# Known gaps, shown with "-" on the page. Take a name out when a test reaches it.
NOT_YET: set[str] = set()
# The right answer to these is a refusal: a container takes no such method.
REFUSED = {"Scoring_Put": "405", "Scoring_Patch": "405", "Scoring_Delete": "405"}


@pytest.fixture(scope="module")
def seen():
    return json.loads(coverage.DATA.read_text())


def test_the_page_is_what_the_generator_writes(seen):
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(seen), "run python -m tests.fakes.coverage"


def test_every_operation_is_seen_to_succeed_in_a_test(seen):
    routes = [route for service in discover() for route in service.routes]
    missing = {r.operation for r in routes if not coverage._succeeds(r, seen)}
    missing -= {name for name, status in REFUSED.items() if status in seen.get(name, {})}
    assert missing == NOT_YET, "no test gets a success from these: write one, then run python -m tests.fakes.coverage"


def test_verified_live_is_only_what_the_live_suite_wrote():
    labels = {r.operation for s in discover() for r in s.routes if r.evidence is Evidence.VERIFIED_LIVE}
    assert labels == set(verified_live())


def test_what_the_live_suite_wrote_is_on_the_label_and_on_the_page(seen, monkeypatch):
    service = next(s for s in discover() if any(r.operation == "Models_List" for r in s.routes))
    proof = {"Models_List": {"date": "2026-01-02", "sdk": "1.61.0"}}
    proved = labelled(service, proof)
    assert {r.operation for r in proved.routes if r.evidence is Evidence.VERIFIED_LIVE} == {"Models_List"}
    assert labelled(service, {"Models_Nothing"}) is service
    monkeypatch.setattr(coverage, "discover", lambda: (proved,))
    monkeypatch.setattr(coverage, "verified_live", lambda: proof)
    assert "`verified-live` (2026-01-02, azureml-core 1.61.0)" in coverage.page(seen)
