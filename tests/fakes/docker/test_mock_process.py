"""The mocked engine from other programs: the variable is all they need."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from fakes import mock_docker

pytest.importorskip("docker")


def test_a_child_process_finds_it() -> None:
    program = "import docker; c = docker.from_env(); print(c.version()['Version'], c.images.list()[0].tags)"
    with mock_docker():
        out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.startswith("20.10.0-mock ['python:3.")


@mock_docker()
def test_as_a_decorator() -> None:
    import docker

    client = docker.from_env()
    assert client.ping()
    client.close()


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command on this machine")
def test_the_docker_command_finds_it() -> None:
    with mock_docker():
        out = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
    assert out.stdout.strip() == "20.10.0-mock", out.stderr
