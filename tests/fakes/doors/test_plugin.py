"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

_TESTS = """
import pytest, requests

def test_fresh(azure_fake):
    assert requests.get("https://westeurope.api.azureml.ms/discovery").status_code == 200
    assert azure_fake.state.requests.counts() == {"Discovery_Get": 1}

def test_fresh_again(azure_fake):
    assert azure_fake.state.requests.counts() == {}

@pytest.mark.azure_fake(workspace_name="mine", strict=False)
def test_settings(azure_fake, azure_workspace):
    assert azure_workspace.name == "mine" and not azure_fake.settings.strict
"""


_BUG = """
import requests

def test_it(azure_fake, monkeypatch):
    def broken(call):
        raise KeyError("a mistake in the fake")
    monkeypatch.setattr("fakes.services.discovery.responses.endpoints", broken)
    assert requests.get("https://westeurope.api.azureml.ms/discovery").status_code == 500
"""


def test_a_mistake_of_the_fake_itself_fails_the_test(tmp_path):
    (tmp_path / "test_it.py").write_text(_BUG)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "fakes.pytest_plugin", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "1 passed, 1 error" in found.stdout, found.stdout + found.stderr
    assert "the fake of Azure failed in Discovery_Get" in found.stdout
    assert "KeyError: 'a mistake in the fake'" in found.stdout


@pytest.mark.azure
@pytest.mark.parametrize("door", ["inprocess", "server"])
def test_fixtures_and_marker(tmp_path, door):
    (tmp_path / "test_it.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "fakes.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "-W", "ignore", f"--azure-door={door}", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "3 passed" in found.stdout, found.stdout + found.stderr
