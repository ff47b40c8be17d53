"""When a published pipeline starts by itself: what can be said, and how cron says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops.__main__ import run as mlops
from pipeline.errors import PipelineError
from pipeline.provenance import ROOT
from pipeline.schedules import When


@pytest.mark.parametrize(
    ("when", "text", "cron"),
    [
        (When("minute", 15), "every 15 minutes", "*/15 * * * *"),
        (When("hour"), "every hour", "0 * * * *"),
        (When("day", at="03:05"), "every day at 03:05 UTC", "5 3 * * *"),
        (When("day", 2), "every 2 days", "0 0 */2 * *"),
        (
            When("week", weekdays=("monday", "sunday"), at="23:59"),
            "every week on Monday, Sunday at 23:59 UTC",
            "59 23 * * 1,7",
        ),
        (When("week", 2), "every 2 weeks", None),
        (When("month", 3), "every 3 months", "0 0 1 */3 *"),
        (When(path="data/new"), "when data/new changes, looked at every 5 min", None),
    ],
)
def test_says_when(when: When, text: str, cron: str | None) -> None:
    assert (str(when), when.cron()) == (text, cron)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({}, "either"),
        ({"unit": "day", "path": "x"}, "either"),
        ({"unit": "fortnight"}, "fortnight"),
        ({"unit": "day", "interval": 0}, "at least 1"),
        ({"path": "x", "poll_minutes": 0}, "at least 1"),
        ({"unit": "hour", "at": "03:00"}, "days and weeks"),
        ({"unit": "day", "at": "24:00"}, "HH:MM"),
        ({"unit": "day", "weekdays": ("monday",)}, "weeks"),
        ({"unit": "week", "weekdays": ("montag",)}, "weeks"),
    ],
)
def test_refuses_what_contradicts_itself(parts: dict[str, Any], what: str) -> None:
    with pytest.raises(PipelineError, match=what) as refused:
        When(**parts)
    assert refused.value.hint


def test_a_backend_without_schedules_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path))
    monkeypatch.setenv("MLOPS_BACKEND", "local")
    base = ["pipeline", "schedule"]
    assert mlops([*base, "create", "nightly", "--every", "day", "--at", "03:00", "--project", str(ROOT)]) == 5
    said = capsys.readouterr().err
    assert "keeps no schedules" in said
    assert "0 3 * * * cd PROJECT && mlops pipeline run --published" in said
    assert mlops([*base, "list", "--project", str(ROOT), "-o", "json"]) == 0
    assert capsys.readouterr().out.strip() == "[]"
    assert mlops([*base, "delete", "nightly", "--project", str(ROOT)]) == 3
