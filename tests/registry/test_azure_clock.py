"""How far this machine's clock is from Azure's, through both doors of the fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import requests

from registry.azure.clock import ahead
from registry.errors import Unavailable

if TYPE_CHECKING:
    from fakes import Fake


@pytest.fixture(params=["inprocess", "server"])
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    import fakes

    with fakes.mock_azure(door=request.param) as fake:
        yield fake


def test_a_clock_that_is_behind_is_seen(fake: Fake) -> None:
    found = ahead()
    assert found is not None
    assert abs(found) < 60
    fake.state.clock.advance(3600)
    found = ahead()
    assert found is not None
    assert -3660 < found < -3540


def test_no_answer_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> requests.Response:
        return requests.Response()

    monkeypatch.setattr(requests, "get", silent)
    assert ahead() is None

    def unplugged(*_: object, **__: object) -> requests.Response:
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "get", unplugged)
    with pytest.raises(Unavailable, match="cannot be reached") as failure:
        ahead()
    assert "HTTPS_PROXY" in (failure.value.hint or "")
