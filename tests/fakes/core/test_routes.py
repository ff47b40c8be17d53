"""The route table and the router."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.core.application import discover
from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.routing import Route, Router, Service, empty_response


def test_operation_names_are_unique():
    names = Counter(route.operation for service in discover() for route in service.routes)
    assert [name for name, count in names.items() if count > 1] == []


def _router(*templates: str, **options) -> Router:
    router = Router()
    service = Service("t", "api", Style.ARM, ())
    for template in templates:
        route = Route("GET", template, template, lambda call: empty_response(), Evidence.ASSUMED, **options)
        router.add(route, service)
    return router


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/a/b", "/a/b", {}),
        ("/A//B/", "/a/b", {}),
        ("/a/x", "/a/{one}", {"one": "x"}),
        ("/a/x%2Fy%20z", "/a/{one}", {"one": "x/y z"}),
        ("/a/%2541", "/a/{one}", {"one": "%41"}),
        ("/a/x/y/z%2Fz", "/a/{rest*}", {"rest": "x/y/z/z"}),
        ("/a", "/a/{rest*}", {"rest": ""}),
        ("/a/b/c", "/a/{one}/c", {"one": "b"}),
    ],
)
def test_fixed_wins_over_one_wins_over_rest(path, template, params):
    found = _router("/a/b", "/a/{one}", "/a/{rest*}", "/a/{one}/c").match("GET", path)
    assert (found[0].template, found[2]) == (template, params)


def test_no_match():
    router = _router("/a/b")
    assert router.match("GET", "/a") is None
    assert router.match("POST", "/a/b") is None
    assert router.match("HEAD", "/a/b")[0].template == "/a/b", "HEAD is answered as GET without its body"


def test_the_same_route_twice_is_a_mistake():
    with pytest.raises(ValueError, match="share GET"):
        _router("/a/{x}", "/A/{y}")


def test_query_tells_operations_apart():
    router = Router()
    service = Service("t", "api", Style.ARM, ())
    for name, when in (("plain", (("comp", None),)), ("list", (("comp", "list"),))):
        router.add(Route("GET", "/c", name, lambda call: empty_response(), Evidence.ASSUMED, when=when), service)
    assert router.match("GET", "/c", {})[0].operation == "plain"
    assert router.match("GET", "/c", {"Comp": "LIST"})[0].operation == "list"
    assert router.match("GET", "/c", {"comp": "lease"}) is None
