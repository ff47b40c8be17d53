"""Services whose container engine has gone away since: what is said of them, and the way back to processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.errors import EngineUnavailable
from deploy.local.state import ServiceFolder
from deploy.process import ProcessServices
from deploy.services import ServiceState
from tests.contract.services import answer_of
from tests.contract.services_project import PORTS, Project

pytestmark = pytest.mark.slow  # it starts services


def retarget(services: ProcessServices, old: str, new: str) -> None:
    """Let the record say that revisions run elsewhere."""
    folder = ServiceFolder(services.root, "line-qa")
    record = folder.read()
    for item in record.revisions:
        item.target = new if item.target == old else item.target
    folder.write(record)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def services(tmp_path: Path, project: Project) -> Iterator[ProcessServices]:
    services = ProcessServices(tmp_path / "services", ports=PORTS)
    services.deploy(project.request(3.0))
    retarget(services, "process", "docker")  # for which nobody is here: as if the engine did not answer
    yield services
    retarget(services, "docker", "process")
    services.delete("line-qa")


def test_a_deployment_that_needs_no_engine_does_not_fail_for_one(services: ProcessServices, project: Project) -> None:
    said: list[str] = []
    info = services.get("line-qa")
    assert info.state is ServiceState.UNHEALTHY
    assert (info.error or "").startswith("revision r1 cannot be looked at: ")
    with pytest.raises(EngineUnavailable):
        services.ensure("line-qa")
    for slope in (4.0, 5.0):  # the second one finds what the first could not clear away
        info = services.deploy(project.request(slope), progress=said.append)
        assert (info.state, info.uri, info.target) == (ServiceState.HEALTHY, services.get("line-qa").uri, "process")
        assert answer_of(services) == slope * 2
        assert any("r1 (line:1) is removed by a later change" in line for line in said)
        said.clear()
        assert services.ensure("line-qa").state is ServiceState.HEALTHY  # which asks for what serves alone
    assert [(item.id, item.traffic) for item in services.revisions("line-qa") if item.traffic] == [("r3", 100)]
    retarget(services, "docker", "process")  # the engine is back
    services.deploy(project.request(6.0))
    assert [item.id for item in services.revisions("line-qa")] == ["r4"]
