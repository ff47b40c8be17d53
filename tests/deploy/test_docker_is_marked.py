"""Nothing that needs Docker runs without the mark `docker`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from deploy.errors import EngineUnavailable

ROOT = Path(__file__).resolve().parents[2]


def test_an_unmarked_test_cannot_reach_an_engine() -> None:
    with pytest.raises(EngineUnavailable):
        Engine().check()


def test_a_child_of_an_unmarked_test_cannot_either() -> None:
    code = "from deploy.docker_engine import Engine; Engine().check()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "EngineUnavailable" in done.stderr


def integration(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Another pytest, without the plugins that it does not need here: most of its time they are imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_timeout", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_all_of_integration_is_marked() -> None:
    """What lies in ``integration/`` itself needs Docker; folders below it say for themselves, and are guarded."""
    done = integration("integration", "--collect-only", "-m", "not docker")
    assert done.returncode in (0, 5), done.stdout + done.stderr
    names = [line.split("::")[0] for line in done.stdout.splitlines() if "::" in line]
    assert [name for name in names if Path(name).parent == Path("integration")] == []


def test_without_docker_integration_skips_and_says_why() -> None:
    done = integration("integration/test_engine.py", "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs Docker and a base image: the Docker engine does not answer" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-1]
