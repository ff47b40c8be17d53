"""Door 1: every request of this process to an Azure host is answered by the application."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from fakes.core import hosts

if TYPE_CHECKING:
    from fakes.core.application import Application

Send = Callable[..., requests.Response]


class Interception:
    """Patches the transport of ``requests`` for every session and thread of the process.

    A host that is not Azure's goes to what was in place before: the real transport, or somebody's mock. A ``responses``
    mock that is activated inside keeps its own answers; what it does not know of Azure comes here.
    """

    def __init__(self, application: Callable[[], Application], ours: Callable[[], str | None]) -> None:
        self._application = application
        self._ours = ours
        self._patches: list[tuple[Any, str, Any]] = []

    def start(self) -> None:
        """Begin to answer."""
        before: Send = HTTPAdapter.send

        def send(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            if is_for_azure(request):
                from fakes.doors.answering import answer  # the first request pays for the application

                return answer(self._application(), adapter, request)
            return before(adapter, request, *args, **without_proxy(kwargs, self._ours()))

        self._patch(HTTPAdapter, "send", send)
        theirs = sys.modules.get("responses")
        if theirs is not None:
            known: Callable[..., Any] = theirs.RequestsMock._on_request

            def on_request(self: Any, adapter: HTTPAdapter, request: Any, **kwargs: Any) -> Any:
                if is_for_azure(request) and not _knows(self, request):
                    return send(adapter, request, **kwargs)
                return known(self, adapter, request, **kwargs)

            self._patch(theirs.RequestsMock, "_on_request", on_request)

    def stop(self) -> None:
        """Put back what was in place before."""
        while self._patches:
            setattr(*self._patches.pop())

    def _patch(self, owner: Any, name: str, new: Any) -> None:
        self._patches.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, new)


def _knows(registry: Any, request: Any) -> bool:
    request.params = registry._parse_request_params(request.path_url)
    request.req_kwargs = {}
    return registry._find_match(request)[0] is not None


def is_for_azure(request: requests.PreparedRequest) -> bool:
    """Tell whether a prepared request goes to a host of Azure."""
    parts = urlsplit(str(request.url))
    return parts.scheme in ("http", "https") and hosts.is_azure(parts.hostname or "")


def without_proxy(kwargs: dict[str, Any], ours: str | None) -> dict[str, Any]:
    """Return the transport's arguments without the proxy of the fake: other hosts are none of its business."""
    proxies = kwargs.get("proxies")
    if not ours or not proxies:
        return kwargs
    return {**kwargs, "proxies": {scheme: address for scheme, address in proxies.items() if address != ours}}
