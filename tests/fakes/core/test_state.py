"""State: seed, reset, export and import, clock, transitions, faults."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest
import requests

import fakes
from fakes.core.operations import Operation
from fakes.core.state import State
from fakes.core.transitions import Failure

API = "https://westeurope.api.azureml.ms"
DISCOVERY = f"{API}/discovery"


def _models(azure) -> str:
    return f"{API}/modelmanagement/v1.0{azure.state.workspace().arm_id}/models"


def _register(azure, auth, name="m", session=requests):
    body = {"name": name, "url": "aml://artifact/LocalUpload/x/y", "mimeType": "application/json"}
    answer = session.post(_models(azure), json=body, headers=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_same_seed_same_ids():
    one, two, other = State(), State(), State(fakes.Settings(seed=1))
    assert one.workspace().workspace_id == two.workspace().workspace_id != other.workspace().workspace_id
    first = one.workspace().workspace_id
    one.ids.guid()
    one.reset()
    assert one.workspace().workspace_id == first
    one.reset(seed=7)
    assert one.workspace().workspace_id != first


def test_reset_forgets(azure, auth):
    _register(azure, auth)
    azure.state.clock.advance(1000)
    azure.state.faults.add("Models_*")
    azure.reset()
    auth = {"Authorization": f"Bearer {azure.token()}"}
    assert requests.get(_models(azure), headers=auth).json() == {"value": []}
    assert azure.state.requests.counts() == {"Models_List": 1}


def test_export_and_import_carry_everything(azure, auth):
    from fakes.services.artifacts.models import ArtifactsBackend

    backend = azure.state.backend(ArtifactsBackend)
    backend.write(azure.state.workspace(), "LocalUpload", "x", "y", b"\x00\xff bytes")
    _register(azure, auth)
    azure.state.faults.add("Services_*", times=2)
    azure.state.operations.start("service", "s")
    azure.state.transitions.set("service", "polls", 3)
    document = json.loads(json.dumps(azure.state.export()))
    azure.reset()
    azure.state.load(document)
    assert azure.state.export() == document
    artifact = azure.state.backend(ArtifactsBackend).resolve(azure.state.workspace(), "LocalUpload/x/y")[0][1]
    assert azure.state.backend(ArtifactsBackend).read(azure.state.workspace(), artifact) == b"\x00\xff bytes"
    auth = {"Authorization": f"Bearer {azure.token()}"}
    assert _register(azure, auth)["version"] == 2


def test_ids_go_on_after_every_import():
    state, seen = State(), set()
    for _ in range(3):
        new = {state.ids.guid() for _ in range(5)}
        assert not new & seen
        seen |= new
        document = json.loads(json.dumps(state.export()))
        state.close()
        state = State()
        state.load(document)
    assert state.export() == document
    state.close()


def test_the_clock_goes_on_after_an_import():
    state, other = State(), State()
    state.clock.advance(86400)
    other.load(json.loads(json.dumps(state.export())))
    assert abs((other.clock.now() - state.clock.now()).total_seconds()) < 3600
    state.clock.freeze(datetime(2031, 2, 3, tzinfo=timezone.utc))
    other.load(json.loads(json.dumps(state.export())))
    assert other.clock.iso() == "2031-02-03T00:00:00.000000Z"
    for made in (state, other):
        made.close()


def test_an_export_of_before_that_says_nothing_of_ids_and_clock():
    state = State()
    document = state.export()
    del document["ids"], document["clock"]
    first = state.ids.guid()
    state.load(document)
    assert state.ids.guid() != first
    state.close()


@pytest.mark.parametrize("document", [{}, {"version": 99}, {"version": 1, "services": {"nothing": {}}}])
def test_import_of_something_else_changes_nothing(azure, auth, document):
    _register(azure, auth)
    with pytest.raises(ValueError, match=r"version|unknown services"):
        azure.state.load(document)
    assert len(requests.get(_models(azure), headers=auth).json()["value"]) == 1


def test_import_makes_no_classes_that_are_no_records():
    state = State()
    document = state.export()
    document["faults"] = [{"$kind": "subprocess.Popen", "args": ["true"]}]
    with pytest.raises(ValueError, match="unknown kind"):
        state.load(document)


# ---- transitions


def _start(state, **options):
    return state.operations.start("job", "x", **options)


def test_immediately_and_polls_and_seconds(azure):
    state, seen = azure.state, []
    assert _start(state, on_end=lambda o: seen.append(o.status)).status == "Succeeded"
    state.transitions.set("job", "polls", 2)
    operation = _start(state, on_end=lambda o: seen.append(o.status))
    assert [state.operations.poll(operation.id).status for _ in range(4)] == ["Running", "Running"] + ["Succeeded"] * 2
    state.transitions.set("*", "seconds", 60)
    state.transitions.clear("job")
    operation = _start(state)
    assert state.operations.get(operation.id).status == "Running"
    state.clock.advance(61)
    assert state.operations.poll(operation.id).status == "Succeeded"
    assert seen == ["Succeeded", "Succeeded"]


def test_given_failure(azure):
    azure.state.transitions.set("job", failure={"code": "Quota", "message": "none left"})
    operation = _start(azure.state)
    assert (operation.status, operation.error["code"], operation.error["message"]) == ("Failed", "Quota", "none left")


def test_the_first_poll_is_held_until_the_work_ends(azure):
    go, done = threading.Event(), []

    def work(operation: Operation) -> str:
        go.wait(10)
        operation.log += "worked\n"
        return "result"

    operation = _start(azure.state, work=work, on_end=lambda o: done.append(o.result))
    assert azure.state.operations.get(operation.id).status == "Running"
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(azure.state.operations.poll, operation.id)
        go.set()
        assert poll.result(10).status == "Succeeded"
    assert done == ["result"] and operation.log == "worked\n" and operation.polls == 0


@pytest.mark.parametrize("error", [Failure("Broken", "it broke"), RuntimeError("it broke")])
def test_work_that_fails(azure, error):
    def work(operation: Operation) -> None:
        raise error

    operation = _start(azure.state, work=work)
    assert azure.state.operations.poll(operation.id).status == "Failed"
    assert "it broke" in operation.error["message"]


def test_reset_ends_work_and_children(azure):
    ended = threading.Event()

    def work(operation: Operation) -> None:
        background.stopping.wait(30)
        ended.set()

    background = azure.state.background
    child = background.spawn(["sleep", "60"])
    _start(azure.state, work=work)
    azure.reset()
    assert ended.wait(10) and child.poll() is not None
    with pytest.raises(RuntimeError, match="reset"):
        background.spawn(["true"])


def test_wrong_rules_are_told(azure):
    for options in ({"mode": "later"}, {"after": -1}, {"failure": {"code": "x"}}):
        with pytest.raises(ValueError, match=r"must|needs"):
            azure.state.transitions.set("job", **options)
    for options in ({"kind": "x"}, {"status": 200}, {"rate": 2}, {"times": -1}):
        with pytest.raises(ValueError, match="must"):
            azure.state.faults.add("*", **options)


# ---- faults


def test_faults_by_operation_times_and_skip(azure, auth):
    azure.state.faults.add("Models_*", status=429, retry_after=7, times=1, skip=1)
    urls = [_models(azure)] * 3
    answers = [requests.get(url, headers=auth) for url in urls]
    assert [a.status_code for a in answers] == [200, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert answers[1].json()["statusCode"] == 429 and answers[1].json()["code"] == "TooManyRequests"
    assert requests.get(DISCOVERY).status_code == 200


def test_faults_at_a_rate_are_seeded(azure):
    def hits():
        azure.reset()
        azure.state.faults.add("Discovery_*", status=503, rate=0.5, times=None)
        return [requests.get(DISCOVERY).status_code for _ in range(20)]

    first = hits()
    assert first == hits() and {200, 503} == set(first)


def test_reset_and_truncate(azure):
    azure.state.faults.add("Discovery_*", kind="reset")
    with pytest.raises(requests.ConnectionError):
        requests.get(DISCOVERY)
    azure.state.faults.add("Discovery_*", kind="truncate")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        _ = requests.get(DISCOVERY).content
    azure.state.faults.add("Discovery_*", kind="delay", seconds=0.01)
    assert requests.get(DISCOVERY).status_code == 200
    assert [rule.hits for rule in azure.state.faults.rules()] == [1, 1, 1]


@pytest.mark.azure
def test_the_sdk_gets_through_an_outage(azure, workspace):
    from azureml.core import Model

    azure.state.faults.add("Models_List", status=503, times=2)
    assert Model.list(workspace) == []
    assert azure.state.requests.counts()["Models_List"] == 3


def test_32_threads_lose_nothing(azure, auth):
    def work(number):
        with requests.Session() as session:
            return [_register(azure, auth, f"m{number % 4}", session)["version"] for _ in range(8)]

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(work, range(32)))
    answer = requests.get(_models(azure), params={"count": 1000}, headers=auth).json()["value"]
    for name in range(4):
        versions = sorted(m["version"] for m in answer if m["name"] == f"m{name}")
        assert versions == list(range(1, 65))
    assert sum(len(versions) for versions in found) == 256
    assert azure.state.bugs == []
