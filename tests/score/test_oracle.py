"""Our host answers as Azure's inference server does: against its recorded answers, case by case."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.score.hosts import KIT, host
from tests.score.oracle.corpus import GROUPS, Group
from tests.score.oracle.differences import DIFFERENCES, changed
from tests.score.oracle.record import RECORDED
from tests.score.oracle.wire import send

pytestmark = pytest.mark.slow

ENTRIES = Path(__file__).parent / "oracle" / "entries"
ANSWERS: dict[str, dict[str, Any]] = json.loads(RECORDED.read_text())["answers"]
CONTRACT = KIT / "docs" / "scoring-contract.md"
SEEN: set[str] = set()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_answers_equal_those_of_azure(group: Group) -> None:
    recorded = ANSWERS[group.name]
    unexplained = []
    flags = ["--entry-script", f"{ENTRIES}/{group.entry}.py", "--root", str(ENTRIES)]
    if group.model != ".":
        flags += ["--model-dir", str(ENTRIES.parent / group.model)]
    with host(*flags, env=group.env) as ours:
        for case in group.cases:
            answer, expected = send(ours.port, case), recorded[case.id]
            if answer == expected:
                continue
            if not any(each.covers(group.name, case, expected, answer) for each in DIFFERENCES):
                unexplained.append((case.id, sorted(changed(expected, answer)), expected, answer))
    assert not unexplained


def test_every_case_is_recorded() -> None:
    wanted = {(group.name, case.id) for group in GROUPS for case in group.cases}
    assert wanted == {(group, case) for group, cases in ANSWERS.items() for case in cases}
    assert len(wanted) > 500


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.id)
def test_every_difference_is_still_there(difference: Any) -> None:
    names = [(name, case) for name, cases in ANSWERS.items() for case in cases]
    found = [ANSWERS[a][b] for a, b in names if re.fullmatch(difference.cases, f"{a}/{b}")]
    assert any(answer["status"] in difference.theirs for answer in found)


def test_case_ids_are_unique() -> None:
    for group in GROUPS:
        ids = [case.id for case in group.cases]
        assert len(ids) == len(set(ids)), group.name


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.id)
def test_every_difference_is_documented(difference: Any) -> None:
    rows = [line for line in CONTRACT.read_text().splitlines() if line.startswith(f"| `{difference.id}` |")]
    assert len(rows) == 1, f"docs/scoring-contract.md needs one row for {difference.id}"
