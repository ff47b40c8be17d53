"""Both doors answer alike, over requests that reach every route."""

from __future__ import annotations

from datetime import datetime, timezone

import requests

import fakes
from fakes.core import hosts
from fakes.core.application import discover
from tests.fakes.doors.corpus import asks, shown

IGNORED = {"date", "server", "connection"}


def _play(door: str) -> tuple[list[tuple], dict[str, int]]:
    answers = []
    with fakes.mock_azure(door=door, hold=0.2) as fake:
        fake.state.clock.freeze(datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
        with requests.Session() as session:
            for ask in asks(fake):
                request = requests.Request(ask.method, ask.url, headers=ask.headers, data=ask.body).prepare()
                request.url = ask.url  # exactly as written: requests would normalise it
                settings = session.merge_environment_settings(ask.url, {}, False, None, None)
                found = session.send(request, allow_redirects=False, **settings)
                headers = {k.lower(): v for k, v in found.headers.items() if k.lower() not in IGNORED}
                answers.append((ask, found.status_code, found.content, headers))
        return answers, fake.state.requests.counts()


def test_equal_status_body_and_headers_over_the_whole_route_table():
    inside, reached = _play("inprocess")
    outside, _ = _play("server")
    for (ask, *ours), (_, *theirs) in zip(inside, outside, strict=True):
        for what, one, other in zip(("status", "body", "headers"), ours, theirs, strict=True):
            assert one == other, f"{what} of {ask.method} {ask.url}: {shown(one)} / {shown(other)}"
    routes = {r.operation for s in discover() if s.family != hosts.ADMIN for r in s.routes}
    assert routes - set(reached) == set(), "the corpus does not reach these operations"
    assert len({status for _, status, _, _ in inside}) >= 8, "the corpus shows many kinds of answers"
