"""Door 1: what activation does to the process, and undoes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
import responses

import fakes
from fakes.doors.activation import ACTIVE, SHARED

URL = "https://westeurope.api.azureml.ms/discovery"


@pytest.fixture
def local_server():
    """A web server of this machine that is none of the fake's business."""

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_context_manager_gives_a_fake_and_takes_it_away():
    before = dict(os.environ)
    with fakes.mock_azure() as azure:
        assert requests.get(URL).status_code == 200
        assert os.environ["HOME"] != before.get("HOME")
        assert azure.state.requests.counts() == {"Discovery_Get": 1}
    assert dict(os.environ) == before
    assert not requests.adapters.HTTPAdapter.send.__qualname__.startswith("Interception")
    assert ACTIVE.fake is None


def test_an_error_inside_ends_it_too():
    with pytest.raises(ZeroDivisionError), fakes.mock_azure():
        _ = 1 / 0
    assert ACTIVE.fake is None


@fakes.mock_azure
def test_decorator():
    assert requests.get(URL).status_code == 200


@fakes.mock_azure(workspace_name="mine")
def test_decorator_with_settings():
    assert ACTIVE.fake.state.workspace().name == "mine"


def test_decorated_coroutine():
    @fakes.mock_azure
    async def work():
        await asyncio.sleep(0)
        return requests.get(URL).status_code

    assert asyncio.run(work()) == 200
    assert ACTIVE.fake is None


@fakes.mock_azure
class TestDecoratedClass:
    def setup_method(self):
        ACTIVE.fake.state.transitions.set("x", "polls", 1)

    def test_one(self):
        assert "x" in ACTIVE.fake.state.transitions.document(), "set-up and test share one state"
        ACTIVE.fake.state.transitions.set("y")

    def test_two(self):
        assert "y" not in ACTIVE.fake.state.transitions.document(), "each test begins fresh"


@fakes.mock_azure
class TestDecoratedUnittest(unittest.TestCase):
    def setUp(self):
        ACTIVE.fake.state.transitions.set("x", "polls", 1)

    def test_one(self):
        assert "x" in ACTIVE.fake.state.transitions.document()


def test_nested_activations_share_one_state():
    with fakes.mock_azure() as outer:
        with fakes.mock_azure() as inner:
            assert inner is outer
        assert requests.get(URL).status_code == 200
        with pytest.raises(RuntimeError, match="share one state"):
            fakes.mock_azure(workspace_name="other").start()
    with fakes.mock_azure() as again:
        assert again is not outer


def test_stop_without_start():
    with pytest.raises(RuntimeError, match="no fake"):
        fakes.mock_azure().stop()


def test_wrong_settings_are_told():
    with pytest.raises(TypeError, match="nmae"):
        fakes.mock_azure(nmae="x")
    with pytest.raises(ValueError, match="must be a GUID"):
        fakes.mock_azure(tenant_id="x")
    with pytest.raises(ValueError, match="door must be"):
        fakes.mock_azure(door="back")


def test_clients_made_before_and_threads_are_covered():
    session = requests.Session()
    with fakes.mock_azure(), ThreadPoolExecutor(8) as pool:
        assert session.get(URL).status_code == 200
        assert list(pool.map(lambda _: requests.get(URL).status_code, range(40))) == [200] * 40


def test_unknown_azure_host_is_refused_and_others_are_not(local_server):
    with fakes.mock_azure():
        assert requests.get("https://myvault.vault.azure.net/secrets/x").status_code == 501
        assert requests.get(local_server).text == "hello"


def test_own_mocks_inside_and_outside(local_server):
    with fakes.mock_azure(), responses.RequestsMock(assert_all_requests_are_fired=False) as mine:
        mine.get("https://example.com/x", body="mine")
        mine.get(f"{URL}/special", body="special")
        assert requests.get("https://example.com/x").text == "mine"
        assert requests.get(f"{URL}/special").text == "special", "what a mock knows of Azure is the mock's"
        assert requests.get(URL).json()["api"].startswith("https://")
        with pytest.raises(requests.ConnectionError, match="doesn't match any registered mock"):
            requests.get("https://example.com/y")
    with responses.RequestsMock() as mine:
        mine.get("https://example.com/x", body="mine")
        with fakes.mock_azure():
            assert requests.get("https://example.com/x").text == "mine"
            assert requests.get(URL).status_code == 200


def test_own_azure_variables_are_not_seen(monkeypatch):
    monkeypatch.setenv("AZUREML_RUN_ID", "real")
    monkeypatch.setenv("MSI_ENDPOINT", "http://real")
    with fakes.mock_azure() as azure:
        assert "AZUREML_RUN_ID" not in os.environ and "MSI_ENDPOINT" not in os.environ
        assert "AZUREML_RUN_ID" not in azure.child_environment()
    assert os.environ["AZUREML_RUN_ID"] == "real"


def test_threads_that_are_left_do_not_reach_the_network():
    go, done = threading.Event(), []

    def late():
        go.wait(10)
        try:
            requests.get(URL)
        except requests.ConnectionError as error:
            done.append(str(error))

    with fakes.mock_azure():
        thread = threading.Thread(target=late)
        thread.start()
    go.set()
    thread.join(10)
    assert len(done) == 1 and "the fake of Azure has ended" in done[0]


_CHILD = "import requests, sys; print(requests.get(sys.argv[1]).status_code)"


def test_child_process_finds_the_same_state_without_being_told():
    with fakes.mock_azure() as azure:
        found = subprocess.run([sys.executable, "-c", _CHILD, URL], capture_output=True, text=True, timeout=60)
        assert found.stdout.strip() == "200", found.stderr
        assert azure.state.requests.counts() == {"Discovery_Get": 1}
        assert os.environ["HTTPS_PROXY"] == SHARED.address
    assert os.environ.get("HTTPS_PROXY") != SHARED.address


def test_forked_child_goes_through_the_server():
    with fakes.mock_azure() as azure:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            try:
                os.write(write, str(requests.get(URL).status_code).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with os.fdopen(read) as answer:
            assert answer.read() == "200"
        assert azure.state.requests.counts() == {"Discovery_Get": 1}


def test_other_hosts_keep_working_while_the_server_is_in_the_environment(local_server, monkeypatch):
    with fakes.mock_azure() as azure:
        os.environ.update(azure.child_environment())
        os.environ.pop("NO_PROXY"), os.environ.pop("no_proxy")
        assert requests.get(local_server).text == "hello"


def test_log_does_not_grow():
    with fakes.mock_azure(request_log=5) as azure:
        for _ in range(20):
            requests.get(URL)
        assert len(azure.state.requests.entries()) == 5
        assert azure.state.requests.counts() == {"Discovery_Get": 20}
