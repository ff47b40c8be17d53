"""``mlops pipeline`` on Azure: publish, run, follow, cancel, and what a release job asks."""

from __future__ import annotations

import pytest

from tests.pipeline.azure import Call, call, fake, workspace

__all__ = ["call", "fake", "workspace"]
pytestmark = [pytest.mark.azure, pytest.mark.slow]


def test_a_published_pipeline_is_run_and_followed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    made = call("pipeline", "publish", "--build-id", "41")
    assert made["build_id"] == "41"
    assert made["endpoint"].startswith("https://")
    assert [item["id"] for item in call("pipeline", "list")] == [made["id"]]
    assert call("pipeline", "model", "--build-id", "41")["reason"] == "no run of this build has ended"
    # a retraining build runs what another one published
    monkeypatch.setenv("MLOPS_BUILD_ID", "20260131.10")  # no number, although it looks like one
    started = call("pipeline", "run", "--published", "--no-wait", "-p", "caller_run_id=ado-5", "--tag", "team=blue")
    run_id = started["run_id"]
    ended = call("pipeline", "wait", run_id, "--timeout", "240")
    assert (ended["state"], ended["published"], ended["build_id"]) == ("Completed", made["id"], "20260131.10")
    assert (ended["decision"], ended["model"]) == ("promote", "diabetes:1")
    assert call("pipeline", "status", run_id) == ended
    assert "442 rows" in call("pipeline", "logs", run_id, "--step", "check_data")["logs"]
    shown = call("runs", "show", run_id)
    assert (shown["tags"]["caller_run_id"], shown["tags"]["team"]) == ("ado-5", "blue")
    assert call("pipeline", "model")["model"] == "diabetes:1"
    assert call("pipeline", "model", "--build-id", "41")["model"] is None
    # a run that has ended is not cancelled
    assert call("pipeline", "cancel", run_id, code=4)["error"]["code"] == "PipelineConflict"


def test_a_run_is_cancelled(call: Call) -> None:
    run_id = call("pipeline", "run", "--no-wait", "--build-id", "42")["run_id"]
    assert call("pipeline", "cancel", run_id)["state"] == "Canceled"
    assert call("pipeline", "wait", run_id, code=130)["state"] == "Canceled"
    assert call("pipeline", "model", "--build-id", "42")["model"] is None


def test_what_is_not_there_is_named(call: Call) -> None:
    for arguments in (("status", "no-such-run"), ("logs", "no-such-run"), ("run", "--published")):
        assert call("pipeline", *arguments, code=3)["error"]["hint"]
