"""``DockerServices`` passes the suites of ``Services``, and runs containers that can do no harm."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import http
from deploy.docker_engine import Engine
from deploy.docker_images import LABEL
from deploy.docker_services import DockerServices
from deploy.errors import DeployFailed, PackageRefused
from deploy.local.services import LocalServices
from deploy.local.state import ServiceFolder
from deploy.process import ProcessServices
from deploy.services import ServiceState
from integration.conftest import ImageProject
from tests.contract.canary import CanaryContract
from tests.contract.services import TWO, answer_of
from tests.contract.services_local import LocalServicesContract
from tests.contract.services_project import PORTS


class TestCanaryOfContainers(CanaryContract):
    @pytest.fixture
    def services(self, tmp_path: Path, engine: Engine) -> Iterator[DockerServices]:
        services = DockerServices(tmp_path / "services", engine, ports=PORTS)
        yield services
        for info in list(services.services()):
            services.delete(info.name)

    @pytest.fixture
    def project(self, image_project: ImageProject) -> ImageProject:
        return image_project


class TestDockerServices(LocalServicesContract):
    @pytest.fixture
    def services(self, tmp_path: Path, engine: Engine) -> Iterator[DockerServices]:
        services = DockerServices(tmp_path / "services", engine, ports=PORTS)
        before = leftovers(engine)
        yield services
        for info in list(services.services()):
            services.delete(info.name)
        assert self.running(services) == 0
        assert leftovers(engine) == before

    @pytest.fixture
    def project(self, image_project: ImageProject) -> ImageProject:
        return image_project

    def kill(self, services: LocalServices, service: str) -> None:
        for container in containers(services):
            if container.labels[f"{LABEL}.service"] == service:
                container.remove(force=True)  # as `docker rm -f` does

    def running(self, services: LocalServices) -> int:
        return len([item for item in containers(services) if item.status == "running"])

    def test_the_container_can_do_no_harm(self, services: DockerServices, project: ImageProject) -> None:
        services.deploy(replace(project.request(3.0), cpu=0.5, memory_gb=0.25))
        (container,) = containers(services)
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert not host["Privileged"]
        assert host["NanoCpus"] == 500_000_000
        assert host["Memory"] == host["MemorySwap"] == 1 << 28
        assert host["PidsLimit"] == 512
        bindings = [item for items in host["PortBindings"].values() for item in items]
        assert [item["HostIp"] for item in bindings] == ["127.0.0.1"]
        code, output = container.exec_run(["/opt/venv/bin/python", "-I", "-c", PROBE])
        assert code == 0, output
        seen = json.loads(output)
        assert seen["uid"] != 0
        assert seen["capabilities"] == "0000000000000000"
        assert seen["no_new_privileges"] == "1"
        assert not any(seen["writable"].values()), seen
        assert seen["tmp"]

    def test_no_key_in_arguments_environment_or_image(self, services: DockerServices, project: ImageProject) -> None:
        services.deploy(project.request(3.0))
        (container,) = containers(services)
        keys = services.keys("line-qa")
        shown = json.dumps(container.attrs) + json.dumps(container.image.attrs) + container.logs().decode()
        assert keys.primary not in shown
        assert keys.secondary not in shown
        folder = ServiceFolder(services.root, "line-qa").revision("r1") / "keys"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "keys.json").stat().st_mode) == 0o600

    def test_the_health_check_passes(self, services: DockerServices, project: ImageProject) -> None:
        services.deploy(project.request(3.0))
        (container,) = containers(services)
        code, output = container.exec_run(container.image.attrs["Config"]["Healthcheck"]["Test"][1:])
        assert code == 0, output

    def test_a_service_moves_from_process_to_container_and_back(
        self, services: DockerServices, project: ImageProject
    ) -> None:
        processes = ProcessServices(services.root)
        before = processes.deploy(project.request(3.0))
        assert services.get("line-qa") == before
        after = services.deploy(project.request(4.0))
        assert (after.uri, after.target) == (before.uri, "docker")
        assert answer_of(services) == 8.0
        assert len(services.revisions("line-qa")) == 1

    def test_without_an_image(self, services: DockerServices, project: ImageProject) -> None:
        with pytest.raises(PackageRefused, match="needs an image"):
            services.deploy(replace(project.request(3.0), image=None))
        request = project.request(3.0)
        assert request.image is not None
        gone = replace(request.image, reference="line:0-gone")
        with pytest.raises(PackageRefused, match=r"line:0-gone is not here"):
            services.deploy(replace(request, image=gone))

    def test_a_container_that_runs_out_of_memory(self, services: DockerServices, project: ImageProject) -> None:
        services.deploy(project.request(3.0))
        with pytest.raises(DeployFailed) as failure:
            services.deploy(replace(project.request(4.0), memory_gb=0.008))
        assert failure.value.phase in ("start", "build")
        assert answer_of(services) == 6.0

    def test_new_keys_reach_the_container(self, services: DockerServices, project: ImageProject) -> None:
        info = services.deploy(project.request(3.0))
        keys = services.regenerate_key("line-qa", "secondary")
        assert http.call("POST", info.uri, body=TWO, headers=http.bearer(keys.secondary)).status == 200

    def test_a_paused_container_is_unhealthy_and_replaced(
        self, services: DockerServices, project: ImageProject
    ) -> None:
        before = services.deploy(project.request(3.0))
        (container,) = containers(services)
        container.stop(timeout=5)
        assert services.get("line-qa").state == ServiceState.UNHEALTHY
        assert services.ensure("line-qa") == before


PROBE = """
import json, os, pathlib
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
def writable(path):
    try:
        open(path + "/probe", "w").close()
        return True
    except OSError:
        return False
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": status["CapEff"].strip(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "writable": {path: writable(path) for path in ("/", "/opt/app", "/opt/model", "/opt/venv", "/run/keys", "/etc")},
    "tmp": writable("/tmp"),
}))
"""


def containers(services: LocalServices) -> list:
    runner = services.runner("docker")
    label = f"{LABEL}.project={runner.project}"  # type: ignore[attr-defined]
    return runner.engine.client.containers.list(all=True, filters={"label": label}, ignore_removed=True)  # type: ignore[attr-defined]


def leftovers(engine: Engine) -> dict[str, int]:
    """What Docker holds beside images."""
    client = engine.client
    return {"networks": len(client.networks.list()), "volumes": len(client.volumes.list())}
