"""The coverage page says what is so."""

from __future__ import annotations

import json

import pytest

from fakes.core.application import discover
from fakes.core.evidence import Evidence
from fakes.core.verified import verified_live
from tests.fakes import coverage

# Known gaps, shown with "-" on the page. Take a name out when a test reaches it.
NOT_YET = {"Scoring_Options"}


@pytest.fixture(scope="module")
def seen():
    return json.loads(coverage.DATA.read_text())


def test_the_page_is_what_the_generator_writes(seen):
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(seen), "run python -m tests.fakes.coverage"


def test_every_operation_is_seen_to_succeed_in_a_test(seen):
    routes = [route for service in discover() for route in service.routes]
    missing = {r.operation for r in routes if not coverage._succeeds(r, seen)}
    assert missing == NOT_YET, "no test gets a success from these: write one, then run python -m tests.fakes.coverage"


def test_verified_live_is_only_what_the_live_suite_wrote():
    labelled = {r.operation for s in discover() for r in s.routes if r.evidence is Evidence.VERIFIED_LIVE}
    assert labelled == set(verified_live())
