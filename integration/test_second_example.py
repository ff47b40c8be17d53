"""The second example as an image: a transformer of its own travels with the model into a container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from tests.pipeline.test_second_example import Project

WINE = [13.48, 1.81, 2.41, 20.5, 100.0, 2.7, 2.98, 0.26, 1.86, 5.1, 1.04, 3.47, 920.0]


@pytest.fixture
def project(tmp_path: Path, cache: Path, engine: Engine) -> Iterator[Project]:
    made = Project(tmp_path / "wine", "docker")
    wheels = cache / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    (made.folder / ".mlops" / "cache").mkdir(parents=True)
    (made.folder / ".mlops" / "cache" / "wheels").symlink_to(wheels)  # fetched once a lock, not once a run
    yield made
    made.mlops("services", "stop", "--all")


def test_the_whole_flow_in_containers(project: Project, engine: Engine) -> None:
    done = project.mlops("run")
    try:
        assert (done["decision"], done["model"]) == ("promote", "wine:1")
        assert done["image"]["digest"].startswith("sha256:")
        answer = project.mlops("services", "invoke", "wine-production", "--data", json.dumps({"data": [WINE]}))
        assert json.loads(answer["body"]) == {"result": [0]}
        assert project.mlops("services", "show", "wine-production")["target"] == "docker"
    finally:
        for name in ("wine-qa", "wine-production"):
            project.mlops("services", "delete", name, "--yes")
        engine.client.images.remove(done["image"]["reference"], force=True)
