"""Every test of the fake runs through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import fakes
from tests.fakes.recording import recorder

if TYPE_CHECKING:
    from fakes.doors.activation import Fake

DOORS = ("inprocess", "server")


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """The way into the fake."""
    return str(request.param)


@pytest.fixture
def azure(door: str) -> Iterator[Fake]:
    """A fresh fake, reached through one of the doors."""
    with fakes.mock_azure(door=door) as fake:
        yield fake
        assert fake.state.bugs == []


@pytest.fixture
def workspace(azure: Fake) -> Any:
    """The SDK's object of the default workspace."""
    from azureml.core import Workspace

    s = azure.settings
    return Workspace.get(s.workspace_name, subscription_id=s.subscription_id, resource_group=s.resource_group)


@pytest.fixture
def auth(azure: Fake) -> dict[str, str]:
    """Headers of a signed-in caller, for plain ``requests``."""
    return {"Authorization": f"Bearer {azure.token()}"}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run when an operation does not say how sure we are of it."""
    from fakes.core.application import discover
    from fakes.core.evidence import Evidence
    from fakes.core.verified import verified_live

    live = verified_live()
    wrong = []
    for service in discover():
        for route in service.routes:
            if not isinstance(route.evidence, Evidence):
                wrong.append(f"{route.operation} has no evidence label")
            elif route.evidence is not Evidence.ASSUMED and not route.source:
                wrong.append(f"{route.operation} is {route.evidence.value} but names no source")
            elif route.evidence is Evidence.VERIFIED_LIVE and route.operation not in live:
                wrong.append(f"{route.operation} says verified-live; only the live suite may write that")
    if wrong:
        raise pytest.UsageError("\n".join(wrong))


_RECORDER = recorder()


def pytest_runtest_logstart(nodeid: str, location: tuple[str, int | None, str]) -> None:
    """Tell the recorder which test runs."""
    if _RECORDER is not None:
        _RECORDER.begin(nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write what was recorded."""
    if _RECORDER is not None:
        _RECORDER.write()
