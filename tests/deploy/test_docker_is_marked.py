"""Nothing that needs Docker runs without the mark `docker`."""

from __future__ import annotations

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


def test_all_of_integration_is_marked() -> None:
    """What lies in ``integration/`` itself needs Docker; folders below it say for themselves, and are guarded."""
    command = [sys.executable, "-m", "pytest", "integration", "--collect-only", "-q", "-p", "no:randomly"]
    done = subprocess.run([*command, "-m", "not docker"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    names = [line.split("::")[0] for line in done.stdout.splitlines() if "::" in line]
    assert [name for name in names if Path(name).parent == Path("integration")] == []


def test_without_docker_integration_skips_and_says_why() -> None:
    command = [sys.executable, "-m", "pytest", "integration/test_engine.py", "-q", "-rs", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs Docker and a base image: the Docker engine does not answer" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-1]
