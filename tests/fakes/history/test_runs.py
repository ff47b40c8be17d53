"""Experiments and runs through the unmodified SDK."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure


@pytest.fixture
def experiment(workspace: Any) -> Any:
    from azureml.core import Experiment

    return Experiment(workspace, "prices")


def start(experiment: Any, **options: Any) -> Any:
    return experiment.start_logging(snapshot_directory=None, outputs=None, **options)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """start_logging makes `outputs` and `logs` in the current folder."""
    monkeypatch.chdir(tmp_path)


def test_an_experiment_is_made_once(workspace: Any, experiment: Any) -> None:
    from azureml.core import Experiment

    assert Experiment(workspace, "prices").id == experiment.id
    assert list(workspace.experiments) == ["prices"]


def test_archived_experiments_leave_the_list_and_come_back(workspace: Any, experiment: Any) -> None:
    from azureml.core import Experiment
    from azureml.core.experiment import ViewType

    experiment.archive()
    assert Experiment.list(workspace) == []
    assert [e.name for e in Experiment.list(workspace, view_type=ViewType.ArchivedOnly)] == ["prices"]
    experiment.reactivate()
    assert [e.name for e in Experiment.list(workspace)] == ["prices"]


def test_what_is_written_to_an_archived_experiment_makes_a_new_one(workspace: Any, experiment: Any) -> None:
    from azureml.core import Experiment
    from azureml.core.experiment import ViewType

    experiment.start_logging(snapshot_directory=None).complete()
    experiment.archive()
    run = Experiment(workspace, "prices").start_logging(snapshot_directory=None)
    run.complete()
    (active,) = Experiment.list(workspace)
    assert active.id != experiment.id
    assert [r.id for r in active.get_runs()] == [run.id]
    assert len(list(experiment.get_runs())) == 1
    with pytest.raises(Exception, match="another active experiment"):
        experiment.reactivate()
    active.archive()
    experiment.reactivate()
    assert Experiment(workspace, "prices").id == experiment.id
    assert [e.id for e in Experiment.list(workspace, view_type=ViewType.ArchivedOnly)] == [active.id]


def test_experiment_tags_and_deletion(workspace: Any, experiment: Any) -> None:
    from azureml.core import Experiment

    experiment.set_tags({"team": "a", "old": "1"})
    experiment.remove_tags(["old"])
    experiment.refresh()
    assert experiment.tags == {"team": "a"}
    Experiment.delete(workspace, experiment.id)
    assert list(workspace.experiments) == []


def test_an_experiment_with_runs_cannot_be_deleted(workspace: Any, experiment: Any) -> None:
    from azureml.core import Experiment

    start(experiment).complete()
    with pytest.raises(Exception, match="contain no runs"):
        Experiment.delete(workspace, experiment.id)


def test_an_experiment_name_is_checked(workspace: Any) -> None:
    from azureml.core import Experiment

    with pytest.raises(Exception, match="alphanumeric"):
        Experiment(workspace, "no spaces")


def test_an_experiment_name_is_checked_for_other_clients(azure: Any, auth: dict[str, str]) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/history/v1.0{azure.state.workspace().arm_id}"
    answer = requests.post(f"{base}/experiments/no%20spaces", headers=auth, timeout=30)
    assert answer.status_code == 400
    assert "letters" in answer.json()["error"]["message"]


def test_a_run_goes_from_running_to_completed(experiment: Any) -> None:
    run = start(experiment)
    assert run.get_status() == "Running"
    run.complete()
    details = run.get_details()
    assert details["status"] == "Completed"
    assert details["startTimeUtc"] <= details["endTimeUtc"]


def test_a_failed_run_says_why_and_stays_failed(workspace: Any, experiment: Any) -> None:
    run = start(experiment)
    run.fail(error_details="disk full", error_code="DiskFull")
    run.complete()
    fresh = workspace.get_run(run.id)
    assert fresh.get_status() == "Failed"
    error = fresh.get_details()["error"]["error"]
    assert error["message"] == "disk full"


def test_a_canceled_run(experiment: Any) -> None:
    run = start(experiment)
    run.cancel()
    assert run.get_status() == "Canceled"


def test_tags_and_properties_merge(experiment: Any) -> None:
    run = start(experiment)
    run.tag("a", "1")
    run.set_tags({"b": "2"})
    run.tag("bare")
    run.add_properties({"p": "x"})
    run.remove_tags(["a"])
    assert {"b", "bare"} <= run.get_tags().keys()
    assert "a" not in run.get_tags()
    assert run.get_properties()["p"] == "x"
    run.complete()


def test_children_and_their_parents(workspace: Any, experiment: Any) -> None:
    run = start(experiment)
    child = run.child_run("child")
    grandchild = child.child_run("grandchild")
    several = run.create_children(count=3)
    assert {c.id for c in run.get_children()} == {child.id, *(c.id for c in several)}
    assert {c.id for c in run.get_children(recursive=True)} == {child.id, grandchild.id, *(c.id for c in several)}
    assert workspace.get_run(grandchild.id).parent.id == child.id
    for each in (grandchild, child, *several, run):
        each.complete()


def test_runs_are_listed_newest_first_without_children(experiment: Any) -> None:
    first, second = start(experiment), start(experiment)
    child = second.child_run("child")
    assert [r.id for r in experiment.get_runs()] == [second.id, first.id]
    assert {r.id for r in experiment.get_runs(include_children=True)} == {first.id, second.id, child.id}
    for each in (child, second, first):
        each.complete()


def test_runs_are_found_by_tag_property_status_and_type(experiment: Any) -> None:
    from azureml.core import Run

    one, two = start(experiment), start(experiment)
    one.tag("colour", "red")
    two.tag("colour", "blue (dark)")
    two.add_properties({"azureml.runsource": "script"})
    one.complete()
    assert [r.id for r in Run.list(experiment, tags="colour")] == [two.id, one.id]
    assert [r.id for r in Run.list(experiment, tags={"colour": "red"})] == [one.id]
    assert [r.id for r in Run.list(experiment, properties={"azureml.runsource": "script"})] == [two.id]
    assert [r.id for r in Run.list(experiment, status="Completed")] == [one.id]
    assert [r.id for r in Run.list(experiment, type="script")] == [two.id]
    assert list(Run.list(experiment, tags="other")) == []
    two.complete()


def test_a_long_list_comes_in_pages(azure: Any, auth: dict[str, str], experiment: Any) -> None:
    run = start(experiment)
    run.create_children(count=7)
    base = f"https://{azure.settings.region}.api.azureml.ms/history/v1.0{azure.state.workspace().arm_id}"
    url, token, seen = f"{base}/experiments/prices/runs:query", None, []
    while True:
        answer = requests.post(url, json={"top": 3, "continuationToken": token}, headers=auth, timeout=30).json()
        seen += [item["runId"] for item in answer["value"]]
        token = answer["continuationToken"]
        if token is None:
            break
    assert len(seen) == len(set(seen)) == 8
    run.complete()


def test_a_filter_by_time(azure: Any, auth: dict[str, str], experiment: Any) -> None:
    start(experiment).complete()
    base = f"https://{azure.settings.region}.api.azureml.ms/history/v1.0{azure.state.workspace().arm_id}"
    now = datetime.now(timezone.utc)

    def count(after: datetime) -> int:
        query = {"filter": f"(CreatedUtc ge {after})"}
        answer = requests.post(f"{base}/experiments/prices/runs:query", json=query, headers=auth, timeout=30)
        return len(answer.json()["value"])

    assert count(now - timedelta(hours=1)) == 1
    assert count(now + timedelta(hours=1)) == 0


@pytest.mark.parametrize("text", ["RunId eq", "(RunId eq a", "RunId eq a or", "what"])
def test_a_filter_that_cannot_be_read_is_refused(azure: Any, auth: dict[str, str], experiment: Any, text: str) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/history/v1.0{azure.state.workspace().arm_id}"
    answer = requests.post(f"{base}/experiments/prices/runs:query", json={"filter": text}, headers=auth, timeout=30)
    assert answer.status_code == 400
    assert "filter" in answer.json()["error"]["message"]


def test_an_unknown_run(workspace: Any) -> None:
    with pytest.raises(Exception, match="was not found"):
        workspace.get_run("nothing-like-this")


def test_runs_survive_export_and_import(azure: Any, workspace: Any, experiment: Any) -> None:
    run = start(experiment, display_name="kept")
    run.log("rmse", 1.5)
    run.complete()
    document = azure.state.export()
    azure.reset()
    assert list(workspace.experiments) == []
    azure.state.load(document)
    again = workspace.get_run(run.id)
    assert again.display_name == "kept"
    assert again.get_metrics() == {"rmse": 1.5}
