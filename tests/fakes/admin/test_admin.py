"""The admin address and its commands."""

from __future__ import annotations

import json

import pytest
import requests

from fakes.core.application import Application
from fakes.core.settings import Settings
from fakes.core.state import State
from fakes.doors.cli import main
from fakes.doors.client import proxy_variables
from fakes.doors.server import Server


@pytest.fixture
def server():
    state = State(Settings(admin_token="secret"))
    application = Application(state)
    server = Server(lambda: application).start()
    server.state = state
    yield server
    server.stop()
    state.close()


@pytest.fixture
def url(server):
    return f"{server.address}/fakes"


def test_only_this_machine_or_a_token(server, url):
    assert requests.get(f"{url}/health").json()["status"] == "ok"
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Origin": "https://evil.example"},
        {"Host": "evil.example", "Authorization": "Bearer wrong"},
    ):
        answer = requests.get(f"{url}/health", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AdminForbidden")
    allowed = {"Host": "fakes:8774", "Authorization": "Bearer secret"}
    assert requests.get(f"{url}/health", headers=allowed).status_code == 200
    assert requests.get(f"{url}/health", headers={"Origin": server.address}).status_code == 200


def test_it_is_not_reached_through_the_proxy_or_by_azure_names(server):
    answer = requests.get("http://management.azure.com/fakes/health", proxies={"http": server.address})
    assert answer.status_code == 501


def test_everything_by_http(server, url):
    state = server.state
    assert requests.put(f"{url}/transitions/service", json={"mode": "polls", "after": 2}).json()["after"] == 2
    assert requests.get(f"{url}/transitions").json() == {"service": {"mode": "polls", "after": 2, "failure": None}}
    assert requests.delete(f"{url}/transitions/service").status_code == 204
    assert requests.delete(f"{url}/transitions").status_code == 204
    made = requests.post(f"{url}/faults", json={"operation": "Models_*", "status": 500, "times": 2})
    assert (made.status_code, made.json()["hits"]) == (201, 0)
    assert len(requests.get(f"{url}/faults").json()) == 1
    assert requests.delete(f"{url}/faults").status_code == 204
    exported = requests.get(f"{url}/state").json()
    assert requests.put(f"{url}/state", json=exported).status_code == 204
    assert requests.put(f"{url}/clock", json={"freeze": "2025-01-02T03:04:05Z"}).json()["now"].startswith("2025-01-02")
    assert requests.put(f"{url}/clock", json={"advance": 60}).json()["now"].startswith("2025-01-02T03:05:05")
    requests.put(f"{url}/clock", json={})
    assert requests.get(f"{url}/clock").status_code == 200
    operation = state.operations.start("job", "x")
    assert requests.get(f"{url}/operations/{operation.id}").json()["status"] == "Succeeded"
    assert requests.get(f"{url}/operations/none").status_code == 404
    assert "BEGIN CERTIFICATE" in requests.get(f"{url}/ca.pem").text
    assert requests.get(f"{url}/environment").json()["workspace"] == "fake-ws"
    token = requests.post(f"{url}/token").json()["access_token"]
    assert state.tokens.check(f"Bearer {token}").kind == "app"
    assert requests.get(f"{url}/evidence").json()["assumed"]
    assert requests.get(f"{url}/bugs").json() == []
    found = {entry["operation"]: entry for entry in requests.get(f"{url}/operations").json()}
    assert found["Models_Register"]["evidence"] == "sdk-accepts" and found["Admin_Bugs".replace("Bugs", "ListBugs")]
    for _ in range(2):
        requests.get("http://westeurope.api.azureml.ms/discovery", proxies={"http": server.address})
    log = requests.get(f"{url}/requests", params={"last": 1, "operation": "Discovery_Get"}).json()
    assert [entry["operation"] for entry in log["requests"]] == ["Discovery_Get"]
    assert log["counts"]["Discovery_Get"] == 2
    assert requests.post(f"{url}/reset", json={"seed": 5}).json() == {"seed": 5}
    assert requests.get(f"{url}/requests").json()["counts"] == {"Admin_Reset": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"operation": "x", "status": 200}),
        ("POST", "/faults", {"operation": "x", "nonsense": 1}),
        ("PUT", "/transitions/x", {"mode": "later"}),
        ("PUT", "/state", {"version": 99}),
        ("PUT", "/clock", {"freeze": "yesterday"}),
        ("PUT", "/clock", {"turn": 1}),
        ("POST", "/reset", {"sede": 1}),
        ("POST", "/reset", [1]),
    ],
)
def test_wrong_input_is_told(server, url, method, path, body):
    answer = requests.request(method, url + path, json=body)
    assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert server.state.bugs == []


def test_secrets_are_not_in_the_request_log(server, url):
    form = {
        "grant_type": "client_credentials",
        "client_id": server.state.settings.client_id,
        "client_secret": server.state.settings.client_secret,
        "scope": "https://management.azure.com/.default",
    }
    tenant = server.state.settings.tenant_id
    proxies = {"http": server.address}
    requests.post(f"http://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", data=form, proxies=proxies)
    text = requests.get(f"{url}/requests").text
    assert "SignIn_Token" in text and form["client_secret"] not in text and "eyJ" not in text


def test_a_server_elsewhere_is_asked_directly(tmp_path):
    """The admin address of a container must not be asked of its own proxy."""
    assert proxy_variables("http://127.0.0.1:8774", tmp_path)["NO_PROXY"] == "127.0.0.1,localhost"
    assert proxy_variables("http://fakes:8774", tmp_path)["no_proxy"] == "127.0.0.1,localhost,fakes"


def test_commands(server, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKES_ADDRESS", server.address)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def run(*argv):
        code = main(argv)
        out = capsys.readouterr()
        return code, out.out, out.err

    assert run("faults", "Models_*", "--status", "500", "--times", "3")[0] == 0
    assert json.loads(run("faults")[1])[0]["times"] == 3
    assert run("faults", "--clear")[0] == 0
    assert run("faults", "x", "--always", "--kind", "reset")[0] == 0 and server.state.faults.rules()[0].times is None
    assert run("transitions", "service", "polls", "2", "--fail", "Quota: none left")[0] == 0
    assert server.state.transitions.get("service").failure == {"code": "Quota", "message": "none left"}
    assert json.loads(run("transitions")[1])["service"]["mode"] == "polls"
    assert run("transitions", "--clear")[0] == 0
    document = run("state")[1]
    (tmp_path / "state.json").write_text(document)
    assert run("state", "--load", str(tmp_path / "state.json"))[0] == 0
    assert run("state", "--load", str(tmp_path / "none"))[0] == 1
    assert "Models_Register" in run("operations")[1]
    requests.get("http://westeurope.api.azureml.ms/discovery", proxies={"http": server.address})
    assert "Discovery_Get" in run("requests", "--last", "3")[1]
    assert json.loads(run("requests", "--json")[1])["counts"]["Discovery_Get"] == 1
    assert json.loads(run("health")[1])["status"] == "ok"
    code, out, _ = run("env")
    assert code == 0 and f"export HTTPS_PROXY={server.address}" in out and "AZUREML_SERVICE_PRINCIPAL_ID" in out
    variables = json.loads(run("env", "--format", "json")[1])
    assert requests.get(
        "https://westeurope.api.azureml.ms/discovery",
        proxies={"https": variables["HTTPS_PROXY"]},
        verify=variables["REQUESTS_CA_BUNDLE"],
    ).ok
    assert json.loads(run("reset", "--seed", "9")[1]) == {"seed": "9"}
    code, _, err = run("reset", "--address", "http://127.0.0.1:9")
    assert code == 1 and "python -m fakes serve" in err
    with pytest.raises(SystemExit) as usage:
        main(["nonsense"])
    assert usage.value.code == 2
