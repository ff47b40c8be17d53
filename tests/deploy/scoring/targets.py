"""The services under test: a process of this machine, and faked Container Instances and Kubernetes Service."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from deploy.local.programs import Program
from deploy.process import ProcessServices
from deploy.services import Services
from tests.contract.services_project import PORTS, Register
from tests.deploy.scoring.answers import Target
from tests.deploy.scoring.corpus import LIMIT
from tests.deploy.scoring.project import SERVICE, TIMEOUT_MS, Hold, request_of
from tests.score.hosts import wait_for

if TYPE_CHECKING:
    from fakes import Fake

LOCAL_ENV = {"SCORING_TIMEOUT_MS": str(TIMEOUT_MS)}
"""Locally the host gives a request up by itself; in Azure the front end does, and the container knows nothing of it."""


@contextmanager
def process(folder: Path) -> Iterator[Target]:
    """A process behind the gateway."""
    hold = Hold(folder / "hold")
    request = request_of(folder / "project", hold)
    services = ProcessServices(folder / "services", ports=PORTS)

    def kill() -> None:
        for path in services.root.glob("*/revisions/*/alive.lock"):
            program = Program(path)
            program.signal(signal.SIGKILL)
            wait_for(lambda program=program: not program.alive, "the host to be gone")

    try:
        info = services.deploy(replace(request, env={**request.env, **LOCAL_ENV}))
        yield Target(info.uri, services.keys(SERVICE), kill, hold)
    finally:
        services.delete(SERVICE)


def faked(fake: Fake, services: Services, folder: Path, stage: str, register: Register) -> Target:
    """A service behind one of the fake's front ends."""
    from fakes.services.scoring.models import Frontends
    from fakes.services.webservices.models import Webservices

    hold = Hold(folder / "hold")
    request = request_of(folder / "project", hold, register)
    info = services.deploy(replace(request, service=f"{SERVICE}-{stage}", stage=stage))
    fronts, webservices = fake.state.backend(Frontends), fake.state.backend(Webservices)
    fronts.max_payload = LIMIT

    def kill() -> None:
        (service,) = [one for items in webservices.items.values() for one in items.values() if one.name == info.name]
        for unit in service.units.values():
            running = webservices.runtime.get(unit.serving.id) if unit.serving else None
            assert running is not None and running.host is not None
            os.killpg(running.host.pid, signal.SIGKILL)
            assert running.host.wait_exit(60) is not None

    def give_up_early() -> None:
        fronts.aci_timeout_ms = TIMEOUT_MS

    target = Target(info.uri, services.keys(info.name), kill, hold, before_slow=give_up_early)

    def healthy() -> bool:
        headers = {"Authorization": f"Bearer {target.keys.primary}"}
        return requests.get(f"{info.uri.rpartition('/')[0]}/", headers=headers, timeout=60).status_code == 200

    target.wait_until_back = lambda: wait_for(healthy, "the container to be started again")
    return target
