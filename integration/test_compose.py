"""From `docker build` on, with nothing of this kit's Python in between: the image, composed, answers as it should."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_docker.plugin import Services as Composed
from pytest_docker.plugin import get_docker_services

from deploy import http
from deploy.docker_engine import Engine
from deploy.docker_images import DockerImageBuilder
from deploy.smoke import read_golden, smoke
from integration.conftest import LOCK
from tests.contract.services_project import Project


@pytest.fixture(scope="module")
def project_(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("compose") / "project")


@pytest.fixture(scope="module")
def package(project_: Project) -> Any:
    return replace(project_.request(3.0).package, lock=LOCK)


@pytest.fixture(scope="module")
def composed(
    package: Any,
    engine: Engine,
    cache: Path,
    docker_compose_command: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Composed]:
    context, keys = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("keys")
    arguments = DockerImageBuilder(cache, engine).context(package, context)
    (keys / "keys.json").write_text(json.dumps({"primary": "first", "secondary": "second"}))
    keys.chmod(0o755)
    root = os.getuid() == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLOPS_TEST_CONTEXT", str(context))
        patch.setenv("MLOPS_TEST_BASE", arguments["BASE"])
        patch.setenv("MLOPS_TEST_KEYS", str(keys))
        patch.setenv("MLOPS_TEST_USER", "10001:10001" if root else f"{os.getuid()}:{os.getgid()}")
        with get_docker_services(
            docker_compose_command,
            str(Path(__file__).with_name("docker-compose.yml")),
            f"mlops-test-{os.getpid()}",
            ["up --build -d"],  # compose 1 has no --wait; the smoke test waits
            ["down -v --rmi all"],
        ) as services:
            yield services


def test_the_composed_image_passes_the_smoke_test(composed: Composed, package: Any) -> None:
    port = composed.port_for("scoring", 5001)
    uri = f"http://127.0.0.1:{port}/score"
    composed.wait_until_responsive(lambda: _ready(port), timeout=60, pause=0.2)
    for key in ("first", "second"):
        smoke(uri, read_golden(package.artifact), package.model.digest, key=key)
    assert http.call("POST", uri, body=b"{}").status == 401


def test_health_and_swagger(composed: Composed) -> None:
    port = composed.port_for("scoring", 5001)
    composed.wait_until_responsive(lambda: _ready(port), timeout=60, pause=0.2)
    assert http.call("GET", f"http://127.0.0.1:{port}/").body == b"Healthy"
    assert "paths" in json.loads(http.call("GET", f"http://127.0.0.1:{port}/swagger.json").body)


def _ready(port: int) -> bool:
    try:
        return http.call("GET", f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    except OSError:
        return False
