"""Where the Azure adapters' contract suites run: both doors of the fake, and real Azure if asked for.

A live run needs ``MLOPS_TEST_LIVE=1``, ``SUBSCRIPTION_ID``, ``RESOURCE_GROUP``, ``LOCATION`` and a way to sign in; for
AKS also ``MLOPS_AZURE_AKS_RESOURCE_ID``. It makes a workspace of its own in that group, tagged ``mlops-live``, empties
it after each test and deletes it at the end; then ``fakes/core/verified_live.json`` says which operations it has seen.
Run it alone and in one process: ``pytest -m live -n 0``. Without the variables these tests are skipped and say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fakes.doors.activation import Fake
from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace
from tests.live.workspace import CLUSTER, why_not

LIVE = pytest.param("live", marks=pytest.mark.live)
DOORS = ("inprocess", "server", LIVE)
ONE_DOOR = ("inprocess", LIVE)
"""Both doors give the same answers over the whole route table (tests/fakes/doors): one is enough for slow suites."""


def account_in(fake: Fake) -> Account:
    """The service principal of a fake, and its workspace."""
    s = fake.settings
    return Account(s.subscription_id, s.resource_group, s.workspace_name, s.tenant_id, s.client_id, s.client_secret)


@pytest.fixture(params=DOORS)
def azure_door(request: pytest.FixtureRequest) -> str:
    """The way to Azure."""
    return str(request.param)


@pytest.fixture
def azure_account(azure_door: str, request: pytest.FixtureRequest) -> Iterator[Account]:
    """Who signs in, and where to; what is there is fresh for each test."""
    if azure_door == "live":
        if reason := why_not(os.environ):
            pytest.skip(reason)
        from tests.live.session import live_run

        with live_run(request.config).test(request) as account:
            yield account
        return
    import fakes

    with fakes.mock_azure(door=azure_door) as fake:
        yield account_in(fake)


@pytest.fixture
def azure_workspace(azure_account: Account) -> AzureWorkspace:
    """The adapters' workspace."""
    return AzureWorkspace(azure_account)


def cluster_id(door: str) -> str:
    """Resource id of a Kubernetes cluster to attach: the fake takes any; a live run needs one that is there."""
    if door != "live":
        return "/subscriptions/s/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/c"
    found = os.environ.get(CLUSTER, "")
    if not found:
        pytest.skip(f"AKS needs {CLUSTER}")
    return found
