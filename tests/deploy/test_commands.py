"""``mlops services ...`` as a user meets it, on real services."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.process import ProcessServices
from mlops.__main__ import run
from tests.contract.services_project import PORTS, Project

pytestmark = pytest.mark.slow  # all of them together


class Shell:
    """Runs ``mlops`` in a project; what it printed."""

    def __init__(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project, self.capsys = project, capsys

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        self.capsys.readouterr()
        found = run([*words, "--project", str(self.project)])
        printed = self.capsys.readouterr()
        assert found == code, printed.err
        return printed.out, printed.err

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "-o", "json", code=code)[0])


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ProcessServices]:
    services = ProcessServices(tmp_path / "mine" / ".mlops" / "services", ports=PORTS)
    project = Project(tmp_path / "mine" / "project")
    services.deploy(project.request(3.0))
    services.deploy(project.request(4.0), traffic=25)
    yield services
    for info in list(services.services()):
        services.delete(info.name)


@pytest.fixture
def shell(services: ProcessServices, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "mine", capsys)


def test_looking(shell: Shell, services: ProcessServices) -> None:
    (listed,) = shell.json("services", "list")
    info = services.get("line-qa")
    assert listed["uri"] == info.uri
    assert (listed["name"], listed["state"], listed["version"], listed["target"]) == (
        "line-qa",
        "Healthy",
        "line:1",
        "process",
    )
    shown = shell.json("services", "show", "line-qa")
    assert [item["traffic"] for item in shown["revisions"]] == [25, 75]
    assert "25 %  line:2" in shell("services", "show", "line-qa")[0]
    assert "line-qa" in shell("services", "list")[0]
    assert "loaded a line with slope 3.0" in shell("services", "logs", "line-qa")[0]
    assert len(shell.json("services", "logs", "line-qa", "-n", "1")["lines"]) == 1


def test_keys(shell: Shell, services: ProcessServices) -> None:
    before = services.keys("line-qa")
    assert shell("services", "keys", "line-qa", "--show", "primary")[0] == before.primary + "\n"
    assert shell.json("services", "keys", "line-qa") == {"primary": before.primary, "secondary": before.secondary}
    out, err = shell("services", "regenerate", "line-qa", "primary")
    after = services.keys("line-qa")
    assert after.primary != before.primary
    assert after.primary not in out + err


def test_invoke(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = '{"data": [[2.0]]}'
    (tmp_path / "body.json").write_text(body)
    for words in (["-d", body], ["-d", f"@{tmp_path}/body.json"]):
        assert json.loads(shell("services", "invoke", "line-qa", *words)[0])["result"][0] in (6.0, 8.0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body.encode())))
    assert shell.json("services", "invoke", "line-qa", "-d", "-")["status"] == 200
    _, err = shell("services", "invoke", "line-qa", "-d", '{"data": [[1]], "fail": true}', code=7)
    assert "answered with status 500" in err
    _, err = shell("services", "invoke", "line-qa", "-d", f"@{tmp_path}/none.json", code=2)
    assert "none.json" in err


def test_traffic_stop_start_delete(shell: Shell, services: ProcessServices) -> None:
    uri = services.get("line-qa").uri
    assert "REVISION=PERCENT" in shell("services", "traffic", "line-qa", "r2", code=2)[1]
    (only,) = shell.json("services", "traffic", "line-qa", "r2=100")
    assert (only["id"], only["traffic"]) == ("r2", 100)
    assert "which services?" in shell("services", "stop", code=2)[1]
    assert shell.json("services", "stop", "--all") == {"stopped": ["line-qa"]}
    assert shell.json("services", "show", "line-qa")["error"] == "stopped"
    _, err = shell("services", "invoke", "line-qa", "-d", "{}", code=7)
    assert "next: mlops services start line-qa" in err
    assert "which services?" in shell("services", "start", code=2)[1]
    assert shell.json("services", "start", "line-qa")["uri"] == uri
    assert [found["uri"] for found in shell.json("services", "start", "--all")] == [uri]
    assert shell.json("services", "delete", "line-qa", "--yes") == {"deleted": "line-qa"}
    assert shell.json("services", "list") == []
    assert shell("services", "list") == ("", "there are none\n")
    error = shell.json("services", "show", "line-qa", code=3)["error"]
    assert (error["code"], error["hint"]) == ("ServiceNotFound", "mlops services list")


def test_one_that_cannot_be_stopped_keeps_no_other_running(shell: Shell, services: ProcessServices) -> None:
    _, err = shell("services", "stop", "first", "line-qa", "last", code=3)
    assert "error: there is no service 'first'" in err
    assert "line-qa stopped" in err
    assert "last: there is no service 'last'" in err
    assert services.get("line-qa").error == "stopped"


def test_a_service_that_is_being_changed(shell: Shell, services: ProcessServices) -> None:
    from deploy.local.locking import changing

    with changing(services.root, "line-qa", "deployment of line:9"):
        assert "deployment of line:9" in shell("services", "stop", "line-qa", code=4)[1]
