"""Every test of the fake runs through both doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import fakes

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
