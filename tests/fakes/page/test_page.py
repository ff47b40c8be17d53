"""The page at the admin address: its data, its guards, and what a real browser makes of it."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.page.browser import Browser, program

pytestmark = pytest.mark.azure
SCRIPT = """
    def init(): print("the container has begun")
    def run(data): return {"echo": data, "markup": "<b>no</b>"}
"""


@pytest.fixture
def address(azure: Any) -> str:
    """Where the page is; the server door is started over the same state."""
    return str(azure.child_environment()["HTTP_PROXY"])


@pytest.fixture
def service(azure: Any, workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from azureml.core import Environment, Model
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.py").write_text(textwrap.dedent(SCRIPT))
    config = InferenceConfig("echo.py", environment=Environment("echo"))
    deployed = Model.deploy(workspace, "echo", [], config, AciWebservice.deploy_configuration(auth_enabled=True))
    deployed.wait_for_deployment()
    return deployed


def test_the_page_holds_every_table(address: str, service: Any) -> None:
    page = requests.get(f"{address}/")
    assert (
        page.headers["Content-Type"].startswith("text/html")
        and "script-src 'self'" in page.headers["Content-Security-Policy"]
    )
    overview = requests.get(f"{address}/fakes/overview").json()
    (workspace,) = overview["workspaces"]
    assert set(workspace["tables"]) == {
        "services", "models", "environments", "images", "compute", "experiments", "runs",
    }  # fmt: skip
    (row,) = workspace["tables"]["services"]["rows"]
    assert (row["name"], row["state"], row["authentication"]) == ("echo", "Healthy", "keys")
    assert requests.get(f"{address}/fakes/page/none.js").status_code == 404


def test_a_service_is_tried_with_its_own_key(address: str, service: Any) -> None:
    answer = requests.post(f"{address}/fakes/try", json={"service": "echo", "body": '{"a": 1}'}).json()
    assert (answer["status"], json.loads(answer["body"])["echo"]) == (200, '{"a": 1}')
    assert requests.post(f"{address}/fakes/try", json={"service": "none", "body": ""}).status_code == 404
    assert requests.post(f"{address}/fakes/try", json={"service": 1}).status_code == 400
    log = requests.get(f"{address}/fakes/services/echo/log").json()["content"]
    assert "the container has begun" in log


def test_another_site_cannot_use_it(address: str, service: Any) -> None:
    body = json.dumps({"service": "echo", "body": "{}"})
    form = requests.post(f"{address}/fakes/try", body, headers={"Content-Type": "text/plain"})
    assert form.status_code == 400
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        assert requests.get(f"{address}/fakes/overview", headers=headers).status_code == 403


def test_looking_is_not_remembered(azure: Any, address: str) -> None:
    requests.get(f"{address}/fakes/overview")
    assert "Page_Overview" in azure.state.requests.counts()
    assert [e for e in azure.state.requests.entries() if e.operation.startswith(("Page_", "Admin_"))] == []


@pytest.fixture
def browser() -> Iterator[Browser]:
    binary = program()
    if binary is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with Browser(binary) as opened:
        yield opened


@pytest.mark.slow
def test_in_a_real_browser(azure: Any, address: str, service: Any, browser: Browser, tmp_path: Path) -> None:
    browser.open(f"{address}/#services")
    browser.until("document.querySelector('#panel table')?.innerText.includes('Healthy')")
    assert "echo" in browser.run("document.querySelector('#panel').innerText")
    # The form of a service sends, and what comes back is shown as text.
    browser.run("document.querySelector('tr.link').click()")
    browser.run("document.querySelector('.try textarea').value = '{\"b\": 2}'")
    browser.run("document.querySelector('.try button').click()")
    shown = browser.until("document.querySelector('.answer').textContent")
    assert json.loads(shown) == {"echo": '{"b": 2}', "markup": "<b>no</b>"}
    assert browser.run("document.querySelector('.answer-line').textContent").startswith("200 in ")
    browser.run("document.querySelector('[data-log]').click()")
    browser.until("document.querySelector('.answer').textContent.includes('the container has begun')")
    # The last requests with their bodies.
    browser.run("document.querySelector('#tab-requests').click()")
    browser.until("document.querySelectorAll('#panel tr.link').length > 5")
    browser.run("document.querySelector('tr.link').click()")
    browser.until("document.querySelectorAll('.pair pre').length === 3")
    # A fault switch, and the reset.
    browser.run("document.querySelector('#tab-faults').click()")
    browser.run("document.querySelector('form input').value = 'Models_*'")
    browser.run("document.querySelector('form button').click()")
    browser.until("document.querySelector('#panel').innerText.includes('Models_*')")
    assert azure.state.faults.rules()[0].operation == "Models_*"
    if os.environ.get("FAKES_SCREENSHOTS"):
        browser.screenshot(Path(os.environ["FAKES_SCREENSHOTS"]) / f"page-{tmp_path.name}.png")
    browser.run("window.confirm = () => true; document.querySelector('#reset').click()")
    browser.until("document.querySelector('#tab-requests .count').textContent === '0'")
    assert azure.state.faults.rules() == []
    errors = browser.run("performance.getEntriesByType('resource').filter(r => r.responseStatus >= 400).length")
    assert errors == 0
