"""The engine is not there, or goes away in the middle: said so, nothing lost."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.docker_engine import Engine
from deploy.docker_images import LABEL, DockerImageBuilder
from deploy.docker_services import DockerServices
from deploy.errors import EngineUnavailable
from deploy.services import ServiceState
from integration.conftest import ImageProject
from tests.contract.services import answer_of
from tests.contract.services_project import PORTS


class Cable:
    """A socket that leads to the engine until it is pulled out."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path, self.engine = path, engine
        self.open: list[socket.socket] = []
        self.listening = socket.socket(socket.AF_UNIX)
        self.plug_in()

    def plug_in(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.path))
        self.listening.listen()
        threading.Thread(target=self._accept, args=(self.listening,), daemon=True).start()

    def pull_out(self) -> None:
        self.path.unlink(missing_ok=True)
        for item in [self.listening, *self.open]:
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()
        self.open.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.engine)
            self.open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def cable(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Cable]:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        pytest.skip("the engine is not on a Unix socket")
    cable = Cable(Path(f"/tmp/mlops-test-{os.getpid()}.sock"), address.removeprefix("unix://"))
    yield cable
    cable.pull_out()


@pytest.fixture
def services(tmp_path: Path, cable: Cable) -> Iterator[DockerServices]:
    engine = Engine(f"unix://{cable.path}")
    services = DockerServices(tmp_path / "services", engine, ports=PORTS)
    yield services
    tidy = DockerServices(tmp_path / "services", Engine())
    for info in list(tidy.services()):
        tidy.delete(info.name)


def test_an_engine_that_goes_away_during_a_deployment(
    services: DockerServices, cable: Cable, image_project: ImageProject
) -> None:
    before = services.deploy(image_project.request(3.0))

    def gone(line: str) -> None:
        if line.startswith("waiting"):
            cable.pull_out()

    with pytest.raises(EngineUnavailable, match="does not answer") as failure:
        services.deploy(image_project.request(4.0), progress=gone)
    assert failure.value.hint
    assert answer_of(services) == 6.0  # the container before goes on: the engine was cut off, not the container
    info = services.get("line-qa")
    assert (info.version, info.state) == (before.version, ServiceState.UNHEALTHY)

    cable.plug_in()
    assert services.ensure("line-qa") == before
    label = f"{LABEL}.project={services.runner('docker').project}"  # type: ignore[attr-defined]
    assert len(Engine().client.containers.list(all=True, filters={"label": label})) == 1


def test_an_engine_that_goes_away_during_a_build(cable: Cable, image_project: ImageProject, cache: Path) -> None:
    builder = DockerImageBuilder(cache, Engine(f"unix://{cable.path}"), use_cache=False)

    def gone(line: str) -> None:
        if " : RUN " in line:
            cable.pull_out()

    with pytest.raises(EngineUnavailable):
        builder.build(image_project.request(3.0).package, progress=gone)


def test_without_an_engine_every_call_says_so(tmp_path: Path, image_project: ImageProject, cache: Path) -> None:
    nowhere = Engine(f"unix://{tmp_path}/no.sock")
    services = DockerServices(tmp_path / "services", nowhere)
    request = image_project.request(3.0)
    for call in (
        nowhere.check,
        lambda: services.deploy(request),
        lambda: DockerImageBuilder(cache, nowhere).build(request.package),
    ):
        with pytest.raises(EngineUnavailable, match="No such file or directory") as failure:
            call()
        assert "services.target=process" in (failure.value.hint or "")
    assert list(services.services()) == []
