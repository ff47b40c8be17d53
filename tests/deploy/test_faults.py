"""A hundred releases with a fault at a random point each: what served goes on serving."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.local import files
from deploy.local.programs import Program
from deploy.local.state import ServiceFolder
from deploy.process import ProcessServices
from deploy.services import DeployRequest, ServiceState
from tests.contract.services import TWO
from tests.contract.services_project import PORTS, Project

RELEASES = 100
POINTS = ("starting", "waiting", "smoke test")
"""How the lines begin that a deployment reports before the new version serves."""


class Fault(Exception):
    """Raised where nobody expects it."""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ProcessServices]:
    services = ProcessServices(tmp_path / "services", ports=PORTS)
    yield services
    services.delete("line-qa")
    assert not any(program.alive for program in programs(services))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fault_at_a_random_point_leaves_the_version_before(
    services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(20260101)
    slope = 1.0
    before = services.deploy(project.request(slope))
    outcomes: Counter[str] = Counter()
    for number in range(RELEASES):
        kind = chance.choice(KINDS)
        with monkeypatch.context() as patch:
            serving = kind(services, project, chance, patch, slope + 1)
        answer = services.invoke("line-qa", TWO)
        assert answer.status == 200, f"release {number}, {kind.__name__}: {answer.body!r}"
        served = json.loads(answer.body)["result"][0] / 2
        assert served in (slope, slope + 1)
        if served == slope:
            assert services.get("line-qa") == before, f"release {number}, {kind.__name__}"
        assert not serving or served == slope + 1, f"release {number}, {kind.__name__}"
        outcomes["new" if served > slope else "before"] += 1
        slope = served
        before = services.ensure("line-qa")
        assert before.state == ServiceState.HEALTHY
        assert sum(program.alive for program in programs(services)) == 1, f"release {number}, {kind.__name__}"
    assert outcomes.total() == RELEASES
    assert outcomes["before"] > RELEASES / 2


def an_error(
    services: ProcessServices, project: Project, chance: random.Random, patch: pytest.MonkeyPatch, slope: float
) -> bool:
    """The command itself breaks, or is interrupted, at one of its steps."""
    point, error = chance.choice(POINTS), chance.choice((Fault, KeyboardInterrupt, MemoryError))

    def strike(line: str) -> None:
        if line.startswith(point):
            raise error

    with pytest.raises(error):
        services.deploy(project.request(slope), progress=strike)
    return False


def a_killed_host(
    services: ProcessServices, project: Project, chance: random.Random, patch: pytest.MonkeyPatch, slope: float
) -> bool:
    """The new version's process is killed while it starts, or right before its smoke test."""
    point, delay = chance.choice(POINTS[1:]), chance.random() * 0.3

    def strike(line: str) -> None:
        if line.startswith(point):
            time.sleep(delay)
            newest(services).signal(signal.SIGKILL)

    with pytest.raises(DeployError):
        services.deploy(project.request(slope), progress=strike)
    return False


def a_killed_command(
    services: ProcessServices, project: Project, chance: random.Random, patch: pytest.MonkeyPatch, slope: float
) -> bool:
    """The command gets SIGKILL at any moment, the one of the switch included."""
    request, delay = project.request(slope), chance.random() * 1.2
    child = os.fork()
    if child == 0:
        services.deploy(request)
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def a_full_disk(
    services: ProcessServices, project: Project, chance: random.Random, patch: pytest.MonkeyPatch, slope: float
) -> bool:
    """Some write of the service's record finds the disk full, and so do all after it."""
    left = [chance.randrange(1, 5)]
    real = os.fsync

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    patch.setattr(files.os, "fsync", fsync)
    try:
        services.deploy(project.request(slope))
    except DeployError as error:
        assert "No space left on device" in str(error) or "cannot write" in str(error)
        return False
    return True


def a_bad_version(
    services: ProcessServices, project: Project, chance: random.Random, patch: pytest.MonkeyPatch, slope: float
) -> bool:
    """The version itself does not work."""
    request: DeployRequest = chance.choice(
        [
            lambda: project.request(slope, init="raise"),
            lambda: project.request(slope, init="exit"),
            lambda: project.request(slope, init="hang"),
            lambda: project.request(slope, golden=-1.0),
        ]
    )()
    with pytest.raises(DeployError):
        services.deploy(request, timeout=2.0)
    return False


Kind = Callable[[ProcessServices, Project, random.Random, pytest.MonkeyPatch, float], bool]
"""Makes a release with a fault; whether it must have succeeded nevertheless."""
KINDS: list[Kind] = [an_error, a_killed_host, a_killed_command, a_full_disk, a_bad_version]


def programs(services: ProcessServices) -> list[Program]:
    return [Program(path) for path in services.root.glob("*/revisions/*/alive.lock")]


def newest(services: ProcessServices) -> Program:
    record = ServiceFolder(services.root, "line-qa").read()
    return Program(ServiceFolder(services.root, "line-qa").revision(record.revisions[-1].id) / "alive.lock")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")
