"""Fixtures for pytest: ``azure_fake`` and ``azure_workspace``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakes.doors.activation import Fake


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--azure-door``."""
    parser.getgroup("azure").addoption(
        "--azure-door",
        choices=["inprocess", "server"],
        default="inprocess",
        help="how azure_fake is reached: inside the process, or through the server",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "azure_fake(**settings): settings of the azure_fake fixture, as for mock_azure")


@pytest.fixture
def azure_fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """A fresh fake of Azure ML; settings come from ``@pytest.mark.azure_fake(...)``.

    A test also fails when the fake itself failed while it ran: what it saw then was no answer of Azure's.
    """
    from fakes.doors.activation import mock_azure

    marker = request.node.get_closest_marker("azure_fake")
    settings: dict[str, Any] = dict(marker.kwargs) if marker else {}
    settings.setdefault("door", request.config.getoption("--azure-door"))
    with mock_azure(**settings) as fake:
        yield fake
        if fake.state.bugs:
            pytest.fail("the fake of Azure failed in " + "\n".join(fake.state.bugs), pytrace=False)


@pytest.fixture
def azure_workspace(azure_fake: Fake) -> Any:
    """The SDK's ``Workspace`` of the fake (needs azureml-core)."""
    core = pytest.importorskip("azureml.core")
    s = azure_fake.settings
    return core.Workspace.get(s.workspace_name, subscription_id=s.subscription_id, resource_group=s.resource_group)
