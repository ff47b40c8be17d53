"""What the tests that need Docker share: the engine, a compose command, images that are built once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from deploy.docker_images import LABEL, DockerImageBuilder
from deploy.errors import EngineUnavailable
from deploy.images import Image
from deploy.services import DeployRequest
from tests.conftest import environment_as_it_was, no_docker_unless_marked
from tests.contract.services_project import Project

ROOT = Path(__file__).resolve().parents[1]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCK = ROOT / "requirements" / "locks" / f"score-{PYTHON}.txt"


def why_not() -> str:
    """Why these tests cannot run here; empty if they can."""
    try:
        engine = Engine()
        engine.check()
        engine.base_image(None, PYTHON)
    except EngineUnavailable as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent  # folders below it say for themselves what they need
    mine = [item for item in items if item.path.parent == here]
    for item in mine:
        item.add_marker(pytest.mark.docker)
    if mine and not config.option.collectonly:
        reason = why_not()
        if reason:
            for item in mine:
                item.add_marker(pytest.mark.skip(reason=f"needs Docker and a base image: {reason}"))


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where wheels are kept: the checkout's own cache, so that they are fetched once a lock, not once a run."""
    return ROOT / ".mlops" / "cache"


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """The compose plugin where there is one, else the program that Debian 12 has."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return "docker compose"
    if shutil.which("docker-compose"):
        return "docker-compose"
    pytest.skip("neither `docker compose` nor docker-compose is installed")


class ImageProject(Project):
    """A project whose requests come with an image. Equal artifacts share one image."""

    def __init__(self, root: Path, builder: DockerImageBuilder, built: dict[str, Image]) -> None:
        super().__init__(root)
        self.builder = builder
        self.built = built

    def request(self, slope: float = 3.0, **options: object) -> DeployRequest:  # type: ignore[override]
        request = super().request(slope, **options)  # type: ignore[arg-type]
        package = replace(request.package, lock=LOCK)
        digest = package.model.digest
        if digest not in self.built:
            self.built[digest] = build_unchecked(self.builder, package)
        image = replace(self.built[digest], model=package.model.reference)
        return replace(request, package=package, image=image)


def build_unchecked(builder: DockerImageBuilder, package: object) -> Image:
    """Build without the check in a clean child: these suites deploy models that do not load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deploy.docker_images.check_loads", lambda *_, **__: None)
        return builder.build(package)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def built() -> dict[str, Image]:
    """Images by digest of their artifact."""
    return {}


@pytest.fixture
def image_project(tmp_path: Path, engine: Engine, cache: Path, built: dict[str, Image]) -> ImageProject:
    return ImageProject(tmp_path / "project", DockerImageBuilder(cache, engine), built)


@pytest.fixture(scope="session", autouse=True)
def images_are_removed() -> Iterator[None]:
    """Images of the model ``line`` are the tests' own: they go when the tests end."""
    yield
    if why_not():
        return
    client = Engine().client
    for image in client.images.list(filters={"label": f"{LABEL}.model.name=line"}):
        for tag in image.tags:
            client.images.remove(tag, force=True)


@pytest.fixture
def unique() -> str:
    """A name that nothing else has."""
    return f"mlops-test-{uuid.uuid4().hex[:8]}"


__all__ = ["environment_as_it_was", "no_docker_unless_marked"]
