"""``mlops pipeline`` on Azure: publish, run, follow, cancel, and what a release job asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.doors.activation import Fake
from model import dataset
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from tests.contract.azure import account_in
from tests.contract.batches import trained_model
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
    publish = ("pipeline", "publish", "--build-id", "41", "--set", "azure.compute=nothing")
    error = call(*publish, code=3)["error"]
    assert error["message"] == "the workspace has no compute cluster 'nothing'"
    assert "mlops azure init" in error["hint"]
    error = call("batch", "publish", "--build-id", "41", "--set", "batch.nodes=2", code=5)["error"]
    assert error["message"] == "batch.nodes is 2; the cluster train-cluster has at most 1"


def test_tables_are_scored_on_the_cluster(call: Call, fake: Fake, tmp_path: Path) -> None:
    account = account_in(fake)
    models = AzureModelRegistry(AzureWorkspace(account))
    version = models.register("diabetes", trained_model(tmp_path / "model"))
    models.set_alias("diabetes", "production", version.version, who="test", why="released")
    table, here, there = tmp_path / "in.csv", tmp_path / "here.csv", tmp_path / "there.csv"
    dataset.sample().head(60).astype(object).replace({"sex": {1: "one"}}).to_csv(table, index=False)
    arguments = ("batch", "--input", str(table), "--output", str(there), "--published")
    assert call(*arguments, code=3)["error"]["hint"] == "mlops batch publish"
    assert call("batch", "publish", "--build-id", "41")["name"] == "diabetes-batch-pipeline"
    expected = call("batch", "--input", str(table), "--output", str(here))  # this machine, the workspace's model
    report = call(*arguments)
    assert {**report["files"][0], "output": str(here), "errors": f"{here}.errors.csv"} == expected["files"][0]
    assert report["bad_rows"] == expected["bad_rows"] > 0
    for suffix in ("", ".errors.csv", ".batch.json"):
        assert Path(f"{there}{suffix}").read_bytes() == Path(f"{here}{suffix}").read_bytes()
    assert call(*arguments)["files"][0]["already_done"]
    fetched = call("batch", "fetch", report["run_id"], "--output", str(tmp_path / "again.csv"))
    assert (fetched["rows"], fetched["model"]) == (60, "diabetes:1")
    shown = call("runs", "show", report["run_id"])
    assert shown["tags"]["data"] == "diabetes-scoring:1"
    assert shown["metrics"] == {"rows": 60.0, "bad_rows": float(expected["bad_rows"])}
    # and each morning, whatever is the newest version of the data set then
    made = call("pipeline", "schedule", "create", "morning", "--batch", "--every", "day", "--at", "05:00")
    assert made["pipeline"] == "diabetes-batch-pipeline"
    assert [item["name"] for item in call("pipeline", "schedule", "list", "--batch")] == ["morning"]
