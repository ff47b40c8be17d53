"""What is made in a workspace, and ends badly or never."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import fakes
from deploy.azure import provision
from deploy.azure.provision import Wish, apply, plan
from deploy.errors import EngineUnavailable
from fakes.doors.activation import Fake
from tests.contract.azure import account_in, cluster_id

pytestmark = pytest.mark.azure


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


def wish(fake: Fake, aks: str = "") -> Wish:
    return Wish(account_in(fake), "westeurope", "train", "STANDARD_DS2_V2", 0, 1, "aks", aks)


def make(wanted: Wish) -> None:
    apply(wanted, plan(wanted), lambda line: None)


def test_what_ends_well_is_there(fake: Fake) -> None:
    wanted = wish(fake, cluster_id("inprocess"))
    make(wanted)
    assert [item.exists for item in plan(wanted)] == [True, True, True]


@pytest.mark.parametrize("kind", ["cluster", "aks"])
def test_what_ends_badly_is_told(fake: Fake, kind: str) -> None:
    wanted = wish(fake)
    if kind == "aks":
        make(wanted)
        wanted = wish(fake, cluster_id("inprocess"))
    failure = {"code": "ClusterCoreQuotaReached", "message": "no cores left"}
    fake.state.transitions.set("compute", failure=failure)
    with pytest.raises(EngineUnavailable, match=r"was not made: it ended as Failed: .*no cores left") as told:
        make(wanted)
    assert told.value.hint == "remove it in the portal, then: mlops azure init"


@pytest.mark.parametrize("kind", ["cluster", "aks"])
def test_what_never_ends_is_given_up(fake: Fake, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = wish(fake)
    if kind == "aks":
        make(wanted)
        wanted = wish(fake, cluster_id("inprocess"))
    fake.state.transitions.set("compute", "polls", 10_000)
    monkeypatch.setattr(provision, "PROVISIONING_SECONDS", 0.0)
    with pytest.raises(EngineUnavailable, match=r"is still .* after 0 s") as told:
        make(wanted)
    assert "mlops doctor" in str(told.value.hint)
