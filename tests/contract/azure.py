"""Where the Azure adapters' contract suites run: both doors of the fake, and a live workspace if asked for.

A live run needs ``MLOPS_TEST_LIVE=1`` and the variables that any use of the Azure backend needs (``SUBSCRIPTION_ID``,
``RESOURCE_GROUP``, ``WORKSPACE_NAME`` and a way to sign in). Without them those tests are skipped and say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace

DOORS = ("inprocess", "server", pytest.param("live", marks=pytest.mark.live))
NEEDED = ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "WORKSPACE_NAME")


@pytest.fixture(params=DOORS)
def azure_door(request: pytest.FixtureRequest) -> str:
    """The way to Azure."""
    return str(request.param)


@pytest.fixture
def azure_account(azure_door: str) -> Iterator[Account]:
    """Who signs in, and where to; the fake is fresh for each test."""
    if azure_door == "live":
        yield _live_account()
        return
    import fakes

    with fakes.mock_azure(door=azure_door) as fake:
        settings = fake.settings
        yield Account(
            settings.subscription_id,
            settings.resource_group,
            settings.workspace_name,
            settings.tenant_id,
            settings.client_id,
            settings.client_secret,
        )


@pytest.fixture
def azure_workspace(azure_account: Account) -> AzureWorkspace:
    """The adapters' workspace."""
    return AzureWorkspace(azure_account)


def _live_account() -> Account:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if os.environ.get("MLOPS_TEST_LIVE") != "1" or missing:
        pytest.skip(f"a live workspace needs MLOPS_TEST_LIVE=1 and {', '.join(NEEDED)}")
    return Account(
        *(os.environ[name] for name in NEEDED),
        tenant_id=os.environ.get("TENANT_ID", ""),
        client_id=os.environ.get("SP_APP_ID", ""),
        client_secret=os.environ.get("SP_APP_SECRET"),
    )
