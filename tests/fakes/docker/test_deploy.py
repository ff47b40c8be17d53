"""``deploy`` passes its contract suite on the mocked engine: containers are unit-tested without Docker.

The same suite runs against a real engine in ``integration/``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.docker_engine import Engine
from deploy.docker_images import LABEL, DockerImageBuilder
from deploy.docker_services import DockerServices
from deploy.images import Image
from deploy.local.services import LocalServices
from deploy.services import DeployRequest
from fakes import mock_docker
from tests.contract.services_local import LocalServicesContract
from tests.contract.services_project import Project

LOCK = Path(__file__).resolve().parents[3] / "requirements" / "locks" / f"score-3.{sys.version_info[1]}.txt"


class MockProject(Project):
    """A project whose requests come with an image of the mocked engine."""

    def __init__(self, root: Path, builder: DockerImageBuilder) -> None:
        super().__init__(root)
        self.builder = builder
        self.built: dict[str, Image] = {}

    def request(self, slope: float = 3.0, **options: Any) -> DeployRequest:  # type: ignore[override]
        request = super().request(slope, **options)
        package = replace(request.package, lock=LOCK)
        digest = package.model.digest
        if digest not in self.built:
            self.built[digest] = self.builder.build(package)
        image = replace(self.built[digest], model=package.model.reference)
        return replace(request, package=package, image=image)


@pytest.fixture
def engine() -> Iterator[Any]:
    with mock_docker() as engine:
        yield engine
        assert [call for call in engine.calls if call.startswith("unknown")] == []


@pytest.mark.slow
class TestDockerServicesOnTheMock(LocalServicesContract):
    @pytest.fixture
    def services(self, tmp_path: Path, engine: Any) -> Iterator[DockerServices]:
        services = DockerServices(tmp_path / "services", Engine())
        yield services
        for info in list(services.services()):
            services.delete(info.name)
        assert self.running(services) == 0

    @pytest.fixture
    def project(self, tmp_path: Path, engine: Any, monkeypatch: pytest.MonkeyPatch) -> MockProject:
        # The mocked engine installs nothing, so it needs no wheels; and these suites deploy models that do not load.
        wheels = tmp_path / "wheels"
        wheels.mkdir()
        monkeypatch.setattr("deploy.docker_images.wheelhouse", lambda *_, **__: wheels)
        monkeypatch.setattr("deploy.docker_images.check_loads", lambda *_, **__: None)
        return MockProject(tmp_path / "project", DockerImageBuilder(tmp_path / "cache", Engine()))

    def kill(self, services: LocalServices, service: str) -> None:
        for container in _containers(services):
            if container.labels[f"{LABEL}.service"] == service:
                container.remove(force=True)

    def running(self, services: LocalServices) -> int:
        return len([item for item in _containers(services) if item.status == "running"])

    def test_a_killed_deployment_is_cleared_away(self) -> None:  # type: ignore[override]
        pytest.skip("forks a process that would share the mock's threads; runs against a real engine in integration/")


def _containers(services: LocalServices) -> list[Any]:
    runner = services.runners["docker"] if hasattr(services, "runners") else services._runners["docker"]
    return list(runner.engine.client.containers.list(all=True, filters={"label": f"{LABEL}.project={runner.project}"}))
