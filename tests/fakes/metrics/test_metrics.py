"""Metrics through the unmodified SDK."""

from __future__ import annotations

from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure


@pytest.fixture
def run(workspace: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    from azureml.core import Experiment

    monkeypatch.chdir(tmp_path)
    made = Experiment(workspace, "prices").start_logging(snapshot_directory=None, outputs=None)
    yield made
    made.complete()


def test_scalars_lists_rows_and_tables_come_back(run: Any) -> None:
    run.log("rmse", 0.5)
    run.log("loss", 3)
    run.log("loss", 2)
    run.log("name", "ridge")
    run.log("good", True)
    run.log_list("fold", [0.1, 0.2, 0.3])
    run.log_row("point", x=1, y=2)
    run.log_table("table", {"a": [1, 2], "b": ["x", "y"]})
    run.flush()
    assert run.get_metrics() == {
        "rmse": 0.5,
        "loss": [3, 2],
        "name": "ridge",
        "good": True,
        "fold": [0.1, 0.2, 0.3],
        "point": {"x": 1, "y": 2},
        "table": {"a": [1, 2], "b": ["x", "y"]},
    }
    assert run.get_metrics(name="rmse") == {"rmse": 0.5}
    assert run.get_metrics(name="other") == {}


def test_many_values_of_one_metric_keep_their_order(run: Any) -> None:
    for value in range(300):
        run.log("loss", value)
    run.flush()
    assert run.get_metrics(name="loss")["loss"] == list(range(300))


def test_metrics_of_children(run: Any) -> None:
    child = run.child_run("child")
    child.log("rmse", 1)
    child.complete()
    run.log("rmse", 2)
    run.flush()
    found = run.get_metrics(recursive=True)
    assert found[child.id] == {"rmse": 1}


def test_a_metric_keeps_its_type(azure: Any, auth: dict[str, str], run: Any) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/metric/v2.0{azure.state.workspace().arm_id}"

    def post(kind: str) -> list[Any]:
        metric = {
            "name": "rmse",
            "columns": {"rmse": "Double"},
            "value": [{"metricId": kind, "createdUtc": "2026-01-01T00:00:00Z", "data": {"rmse": 1.0}}],
            "properties": {"uxMetricType": kind},
        }
        body = {"values": [metric], "reportErrors": True}
        answer = requests.post(f"{base}/runs/{run.id}/batch", json=body, headers=auth, timeout=30)
        errors: list[Any] = answer.json()["errors"]
        return errors

    assert post("azureml.v1.scalar") == []
    assert "cannot take" in post("azureml.v1.table")[0]["errorResponse"]["error"]["message"]


def test_a_value_that_is_sent_twice_counts_once(azure: Any, auth: dict[str, str], run: Any) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/metric/v2.0{azure.state.workspace().arm_id}"
    value = {"metricId": "one", "createdUtc": "2026-01-01T00:00:00Z", "data": {"rmse": 1.0}}
    metric = {
        "name": "rmse",
        "columns": {"rmse": "Double"},
        "value": [value, value],
        "properties": {"uxMetricType": "azureml.v1.scalar"},
    }
    requests.post(f"{base}/runs/{run.id}/batch", json={"values": [metric, metric]}, headers=auth, timeout=30)
    assert run.get_metrics(name="rmse") == {"rmse": 1.0}
