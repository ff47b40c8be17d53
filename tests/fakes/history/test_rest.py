"""Run history without the SDK: the experiment addressed by its id, tokens, lists by compute."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.azure


class Rest:
    """Requests to run history."""

    def __init__(self, azure: Any, auth: dict[str, str]) -> None:
        self._base = f"https://{azure.settings.region}.api.azureml.ms/history/v1.0{azure.state.workspace().arm_id}"
        self._auth = auth

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = requests.request(method, self._base + path, json=body, headers=self._auth, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def rest(azure: Any, auth: dict[str, str]) -> Rest:
    return Rest(azure, auth)


@pytest.fixture(params=["experiments/prices", "by id"])
def experiment(rest: Rest, request: pytest.FixtureRequest) -> str:
    """The path of an experiment, by name and by id."""
    made = rest("POST", "/experiments/prices")
    return "/" + (request.param if request.param != "by id" else f"experimentids/{made['experimentId']}")


def event(run: str, name: str, **data: Any) -> dict[str, Any]:
    return {"name": f"Microsoft.MachineLearning.Run.{name}", "data": {"RunId": run, **data}}


def test_a_run_from_beginning_to_end(rest: Rest, experiment: str) -> None:
    made = rest("PATCH", f"{experiment}/runs/one", {"runId": "one", "tags": {"a": "1", "b": "2"}, "target": "cpu"})
    assert (made["status"], made["runNumber"], made["rootRunId"]) == ("NotStarted", 1, "one")
    rest("POST", f"{experiment}/runs/one/events", event("one", "Start"))
    rest("POST", f"{experiment}/runs/one/events", event("one", "Warning", Source="me", Message="careful"))
    rest("DELETE", f"{experiment}/runs/one/tags", ["a"])
    assert rest("GET", f"{experiment}/runs/one/metricsingest/wait") == {}
    rest("POST", f"{experiment}/batch/events", {"events": [event("one", "Completed")]})
    details = rest("GET", f"{experiment}/runs/one/details")
    assert details["status"] == "Completed"
    assert details["warnings"] == [{"source": "me", "message": "careful"}]
    assert rest("GET", f"{experiment}/runs/one")["tags"] == {"b": "2"}
    assert [run["runId"] for run in rest("GET", "/computes/cpu/runs")["value"]] == ["one"]
    assert rest("GET", "/computes/other/runs")["value"] == []


def test_children_queries_and_batches(rest: Rest, experiment: str) -> None:
    rest("PATCH", f"{experiment}/runs/top", {"runId": "top"})
    batch = {"runs": [{"runId": "c1", "parentRunId": "top"}, {"runId": "c2", "parentRunId": "nobody"}]}
    answer = rest("PATCH", f"{experiment}/batch/runs", batch)
    assert (list(answer["runs"]), list(answer["errors"])) == (["c1"], ["c2"])
    assert [run["runId"] for run in rest("GET", f"{experiment}/runs/top/children")["value"]] == ["c1"]
    found = rest("POST", f"{experiment}/runs:query", {"filter": "RootRunId eq top", "orderby": "RunId asc"})
    assert [run["runId"] for run in found["value"]] == ["c1", "top"]
    errors = rest("POST", f"{experiment}/batch/events", {"events": [event("nobody", "Start")]})["errors"]
    assert errors[0]["value"]["error"]["code"] == "UserError"


def test_a_token_for_the_code_of_a_run(azure: Any, rest: Rest, experiment: str) -> None:
    rest("PATCH", f"{experiment}/runs/one", {"runId": "one"})
    found = rest("GET", f"{experiment}/runs/one/token")
    assert datetime.fromisoformat(found["expiryTimeUtc"].replace("Z", "+00:00")) > azure.state.clock.now()
    again = Rest(azure, {"Authorization": f"Bearer {found['token']}"})
    assert again("GET", f"{experiment}/runs/one")["runId"] == "one"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/runs/one", {"runId": "two"}, 400),
        ("PATCH", "/runs/no%20spaces", {}, 400),
        ("PATCH", "/runs/one", {"parentRunId": "nobody"}, 404),
        ("GET", "/runs/nobody", None, 404),
        ("POST", "/runs/nobody/events", {"name": "Microsoft.MachineLearning.Run.Start"}, 404),
        ("POST", "/runs:query", {"top": 0}, 400),
        ("POST", "/runs:query", {"continuationToken": "nonsense"}, 400),
    ],
)
def test_what_is_refused(rest: Rest, experiment: str, method: str, path: str, body: Any, status: int) -> None:
    assert rest(method, experiment + path, body, status)["error"]["details"] == []


def test_an_unknown_event_is_refused(rest: Rest, experiment: str) -> None:
    rest("PATCH", f"{experiment}/runs/one", {"runId": "one"})
    assert "Dance" in rest("POST", f"{experiment}/runs/one/events", event("one", "Dance"), 400)["error"]["message"]
