"""The whole flow as a user meets it, on local processes: released, kept, brought back, and what a failure leaves."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.provenance import code_digest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Project:
    """Calls ``mlops`` on a state folder of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = ["--set", f"state={self.state}", "--set", "services.target=process"]
        command = [sys.executable, "-m", "mlops", *arguments, *settings]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def document(self, *arguments: str, exit_code: int = 0) -> Any:
        done = self.call(*arguments, "-o", "json")
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "state")
    yield made
    made.call("services", "stop", "--all")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str, str]]:
    """A project that has run once, what that printed, and its log; leave it as it is."""
    made = Project(tmp_path_factory.mktemp("released") / "state")
    done = made.call("run")
    assert done.returncode == 0, done.stderr
    yield made, done.stdout, done.stderr
    made.call("services", "stop", "--all")


def test_a_first_model_is_released_and_an_equal_one_kept(project: Project) -> None:
    first = project.document("run")
    assert (first["decision"], first["model"], first["previous"], first["image"]) == (
        "promote",
        "diabetes:1",
        None,
        None,
    )
    assert set(first["metrics"]) == {"mse", "rmse", "mae", "r2"}
    assert [first["services"][stage]["version"] for stage in ("qa", "production")] == ["diabetes:1"] * 2
    keys = project.document("services", "keys", "diabetes-production")

    # what trained and what serves is what this checkout holds: test_flow_azure.py says the same of Azure
    code = code_digest(ROOT)
    assert project.document("models", "show", "diabetes:1")["lineage"]["code_digest"] == code
    assert project.document("runs", "show", first["candidate"]["run_id"])["tags"]["code_digest"] == code
    folders = list((project.state / "services").glob("*/revisions/*/app"))
    assert [code_digest(folder) for folder in folders] == [code, code]

    # a service whose host was killed comes back at the same address with the same keys
    _kill_hosts(project.state)
    kept = project.document("run")
    assert (kept["decision"], kept["model"], kept["previous"]) == ("keep", None, "diabetes:1")
    assert kept["candidate"]["metrics"] == first["metrics"]
    assert kept["candidate"]["run_id"] != first["candidate"]["run_id"]
    assert kept["services"] == first["services"]
    assert project.document("services", "keys", "diabetes-production") == keys

    # so does one that was stopped
    assert project.call("services", "stop", "--all").returncode == 0
    assert project.document("run")["services"] == first["services"]

    # a better one replaces it, and the way back is recorded
    better = project.document("run", "--set", "train.parameters.alpha=20")
    assert (better["decision"], better["model"], better["previous"]) == ("promote", "diabetes:2", "diabetes:1")
    assert better["services"]["production"]["uri"] == first["services"]["production"]["uri"]
    back = project.document("rollback", "--stage", "production")
    assert back["version"] == "diabetes:1"
    moves = project.document("models", "history", "diabetes", "production")
    assert [str(move["to_version"]) for move in moves] == ["1", "2", "1"]
    assert "rollback" in moves[-1]["why"]


def test_the_command_that_the_flow_ends_with_works_when_pasted(released: tuple[Project, str, str]) -> None:
    project, shown, said = released
    command = shown[shown.index("curl") :].replace(
        "services keys", f"services keys --set state={shlex.quote(str(project.state))}"
    )
    answer = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert len(json.loads(answer.stdout)["result"]) == 1, answer.stderr
    primary = project.document("services", "keys", "diabetes-production")["primary"]
    assert primary not in shown + said


def test_a_failed_run_leaves_what_serves(released: tuple[Project, str, str]) -> None:
    project, *_ = released
    before = project.document("services", "list")
    failed = project.document("run", "--set", "train.parameters.alpha=-1", exit_code=5)
    assert "alpha" in failed["error"]["message"]
    unknown = project.document("run", "--set", "gate.metric=nonsense", exit_code=5)
    assert "nonsense" in unknown["error"]["message"]
    missing = project.document("run", "--set", "data.path=no-such.csv", exit_code=3)
    assert "no-such.csv" in missing["error"]["message"]
    services = project.document("services", "list")
    assert {(item["stage"], item["version"]) for item in services} == {
        ("qa", "diabetes:1"),
        ("production", "diabetes:1"),
    }
    assert [item["uri"] for item in services] == [item["uri"] for item in before]
    assert len(project.document("models", "list")) == 1


def test_ctrl_c_exits_130_and_leaves_no_process(project: Project) -> None:
    command = [
        sys.executable,
        "-m",
        "mlops",
        "run",
        "--set",
        f"state={project.state}",
        "--set",
        "services.target=process",
    ]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "data checks ..." in line:
            break
    running.send_signal(signal.SIGINT)
    _, rest = running.communicate(timeout=120)
    assert running.returncode == 130, rest
    assert "Traceback" not in rest
    assert _hosts(project.state) == []


def _hosts(state: Path) -> list[int]:
    """Processes that were started from the state folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(state).encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _kill_hosts(state: Path) -> None:
    hosts = _hosts(state)
    assert hosts
    for pid in hosts:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
