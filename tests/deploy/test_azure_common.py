"""Steps of a release to Azure by themselves, with no workspace behind them."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.azure.aks import Aks
from deploy.azure.common import AksOptions, ready, untracked
from deploy.azure.services import AzureServices
from deploy.errors import DeployFailed, DeployTimeout, EngineUnavailable
from deploy.services import DeployRequest

pytestmark = pytest.mark.azure


@pytest.fixture
def door() -> Iterator[tuple[str, list[bytes]]]:
    """An address that takes requests and breaks off instead of answering, and what it has taken."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/score", taken
        server.shutdown()


def test_a_request_that_breaks_off_is_sent_once(door: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    address, taken = door
    services = AzureServices(None)  # type: ignore[arg-type]
    looked: list[str] = []

    def find(service: str) -> tuple[str, None]:
        looked.append(service)
        return address, None

    monkeypatch.setattr(services, "_door", find)
    services._known["line-qa"] = address, None
    with pytest.raises(EngineUnavailable, match="line-qa at http"):
        services.invoke("line-qa", b"1")
    assert (taken, looked) == ([b"1"], [])
    with pytest.raises(EngineUnavailable):  # the address may have changed: it is looked up the next time
        services.invoke("line-qa", b"2")
    assert (taken, looked) == ([b"1", b"2"], ["line-qa"])


@pytest.mark.parametrize("how", ["sdk", "git", "tmpdir"])
def test_no_repository_is_found_whatever_points_at_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from azureml._base_sdk_common.tracking import GitTrackingInfoProvider

    checkout = tmp_path / "checkout"
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)
    monkeypatch.chdir(tmp_path)
    if how == "sdk":
        monkeypatch.setenv("AZUREML_GIT_COMMIT", "0123456")
    elif how == "git":
        monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    else:
        monkeypatch.setattr("tempfile.tempdir", str(checkout))
    before = dict(os.environ)
    with untracked():
        assert GitTrackingInfoProvider().gather() == {}
    assert dict(os.environ) == before
    assert Path.cwd() == tmp_path


def endpoint(state: str, other: str = "Healthy") -> Any:
    """What the SDK tells of an endpoint with two versions."""
    versions = {"v2-r1": SimpleNamespace(state=state, error=None), "v1-r1": SimpleNamespace(state=other, error=None)}
    return SimpleNamespace(state=other, error=None, versions=versions)


def test_a_version_in_transition_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.azure.common.POLL_SECONDS", 0.0)
    request: DeployRequest = SimpleNamespace(service="line-qa")  # type: ignore[assignment]
    states = iter([endpoint("Transitioning"), endpoint("Transitioning"), endpoint("Healthy", other="Unhealthy")])
    found = ready(lambda: next(states), request, 60.0, version="v2-r1")
    assert found.versions["v2-r1"].state == "Healthy"  # the other one may be why it is deployed
    assert next(states, None) is None
    with pytest.raises(DeployTimeout, match="ended as Transitioning"):
        ready(lambda: endpoint("Transitioning"), request, 0.0, version="v2-r1")
    with pytest.raises(DeployFailed, match="ended as Failed"):
        ready(lambda: endpoint("Unschedulable"), request, 60.0, version="v2-r1")
    with pytest.raises(DeployFailed, match="no version v3-r1"):
        ready(lambda: endpoint("Healthy"), request, 60.0, version="v3-r1")


def test_a_change_of_traffic_tells_of_versions_that_stay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(service: str) -> None:
        raise EngineUnavailable("Azure does not answer")

    versions = {
        name: SimpleNamespace(traffic_percentile=50, is_default=False, tags={}, state="Healthy", created_time=None)
        for name in ("v1-r1", "v2-r1")
    }
    aks = Aks(None, AksOptions())  # type: ignore[arg-type]
    monkeypatch.setattr(aks, "_move", lambda *_: None)
    monkeypatch.setattr(aks, "_read", away)
    aks.set_traffic(SimpleNamespace(name="line-qa", versions=versions), {"v2-r1": 100})
    assert "line-qa keeps v1-r1, without traffic" in caplog.text
