"""The stack of ``fakes/compose.yaml``, built without an index: programs on the machine and in it run against it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_docker.plugin import Services as Composed
from pytest_docker.plugin import get_docker_services

from deploy.docker_engine import Engine
from deploy.wheelhouse import wheelhouse
from integration.conftest import PYTHON, ROOT

TOKEN = "a-token-of-the-tests"
PROJECT = f"fakes-test-{os.getpid()}"
OFFLINE = """
version: "2.4"
services:
  fakes:
    image: "{image}"
    build: {{network: none, args: {{BASE: "{base}", PYTHON: "{python}"}}}}
"""
# Run inside the stack, in the image of the fake itself: nothing but the standard library.
PROGRAM = """
import json, os, urllib.request
token = json.load(urllib.request.urlopen(urllib.request.Request(
    os.environ["FAKES_ADDRESS"] + "/fakes/token", method="POST", data=b"{}",
    headers={"Authorization": "Bearer " + os.environ["FAKES_ADMIN_TOKEN"], "Content-Type": "application/json"})))
request = urllib.request.Request(
    "https://management.azure.com/subscriptions?api-version=2022-12-01",
    headers={"Authorization": "Bearer " + token["access_token"]})
print([found["displayName"] for found in json.load(urllib.request.urlopen(request))["value"]])
"""


@pytest.fixture(scope="module")
def stack(
    engine: Engine, cache: Path, docker_compose_command: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    folder = tmp_path_factory.mktemp("stack")
    lock = ROOT / "requirements" / "locks" / f"fakes-{PYTHON}.txt"
    for name in ("fakes", "score"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(wheelhouse(lock, cache, python=PYTHON, machine=platform.machine()), folder / "wheels")
    (folder / "requirements" / "locks").mkdir(parents=True)
    shutil.copy(lock, folder / "requirements" / "locks")
    shutil.copy(ROOT / ".dockerignore", folder)
    base = engine.base_image(None, PYTHON)
    (folder / "offline.yml").write_text(OFFLINE.format(image=PROJECT, base=base, python=PYTHON))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKES_ADMIN_TOKEN", TOKEN)
        patch.setenv("FAKES_PORT", "0")
        with get_docker_services(
            docker_compose_command,
            [str(folder / "fakes" / "compose.yaml"), str(folder / "offline.yml")],
            PROJECT,
            ["up --build -d"],
            ["down -v --rmi all"],
        ) as services:
            (made,) = engine.client.containers.list(filters={"label": f"com.docker.compose.project={PROJECT}"})
            services.wait_until_responsive(lambda: healthy(made), timeout=60, pause=0.5)
            yield services


def healthy(container: Any) -> bool:
    container.reload()
    return bool(container.attrs["State"]["Health"]["Status"] == "healthy")


def test_an_unmodified_program_on_this_machine_deploys_into_it(stack: Composed, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{stack.port_for('fakes', 8774)}"
    journey = ROOT / "tests" / "fakes" / "journey.py"
    command = [sys.executable, "-m", "fakes", "run", "--address", address, "--"]
    done = subprocess.run(
        [*command, sys.executable, str(journey), "a", str(tmp_path / "place")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "cleaned up" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    with urllib.request.urlopen(f"{address}/fakes/bugs") as answer:
        assert json.load(answer) == []


def test_a_program_in_the_stack_needs_the_token(engine: Engine, stack: Composed) -> None:
    def run(*arguments: str, token: str) -> str:
        out = engine.client.containers.run(
            PROJECT,
            list(arguments),
            network=f"{PROJECT}_default",
            environment={"FAKES_ADMIN_TOKEN": token},
            remove=True,
            stderr=True,
        )
        return str(out.decode())

    command = ["run", "--address", "http://fakes:8774", "--", "python", "-c", PROGRAM]
    assert "['Fake subscription']" in run(*command, token=TOKEN)
    from docker.errors import ContainerError

    with pytest.raises(ContainerError, match="admin address answers to loopback names only"):
        run(*command, token="wrong")


def test_it_ends_when_it_is_asked_to(engine: Engine, stack: Composed) -> None:
    container = engine.client.containers.run(PROJECT, detach=True)
    try:
        stack.wait_until_responsive(lambda: healthy(container), timeout=60, pause=0.5)
        container.stop(timeout=10)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()
    finally:
        container.remove(force=True)
