"""A container answers the corpus of scoring requests as a process does: what is true of one is true of the other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deploy.docker_engine import Engine
from deploy.docker_images import LABEL, DockerImageBuilder
from deploy.docker_services import DockerServices
from tests.contract.services_project import PORTS
from tests.deploy.scoring.answers import Target, collect
from tests.deploy.scoring.project import SERVICE, request_of
from tests.deploy.scoring.targets import LOCAL_ENV, process


@contextmanager
def container(folder: Path, engine: Engine, cache: Path) -> Iterator[Target]:
    """A container behind the gateway. It shares no folder with the test, so nothing that it holds can be released."""
    request = request_of(folder / "project", None)
    services = DockerServices(folder / "services", engine, ports=PORTS)
    image = DockerImageBuilder(cache, engine).build(request.package)

    def kill() -> None:
        label = f"{LABEL}.project={services.runner('docker').project}"  # type: ignore[attr-defined]
        for item in engine.client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
            item.remove(force=True)

    try:
        info = services.deploy(replace(request, image=image, env={**request.env, **LOCAL_ENV}))
        yield Target(info.uri, services.keys(SERVICE), kill)
    finally:
        for info in list(services.services()):
            services.delete(info.name)
        engine.client.images.remove(image.reference, force=True)


def test_a_container_answers_as_a_process_does(tmp_path: Path, engine: Engine, cache: Path) -> None:
    with (
        process(tmp_path / "process") as one,
        container(tmp_path / "container", engine, cache) as other,
        ThreadPoolExecutor() as pool,
    ):
        ours, theirs = pool.map(collect, (one, other))
    different = {case: sorted(ours[case].differs(theirs[case])) for case in ours if ours[case].differs(theirs[case])}
    assert different == {}
