"""Steps of a release to Azure by themselves, with no workspace behind them."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.azure.common import untracked
from deploy.azure.services import AzureServices
from deploy.errors import EngineUnavailable

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
