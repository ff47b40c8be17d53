"""Door 1: every request of this process to an Azure host is answered by the application."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import MaxRetryError, ProtocolError, ResponseError
from urllib3.response import HTTPResponse
from urllib3.util.retry import Retry
from werkzeug import Response

from fakes.core import hosts
from fakes.core.application import Application
from fakes.core.environ import build_environ
from fakes.core.faults import BrokenConnection

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


def answer(application: Application, adapter: HTTPAdapter, request: requests.PreparedRequest) -> requests.Response:
    """Return the application's answer, with the retries that the session's adapter is set up for (without their waits).

    Raises
    ------
    requests.ConnectionError, requests.exceptions.RetryError
        As the real transport raises them.
    """
    parts = urlsplit(str(request.url))
    host = _text(request.headers.get("Host") or parts.netloc.rpartition("@")[2])
    headers = [(_text(name), _text(value)) for name, value in request.headers.items()]
    method, body = str(request.method), _body(request.body)
    retries: Retry = adapter.max_retries
    while True:
        response = application.handle(build_environ(method, parts.scheme, host, request.path_url, headers, body))
        try:
            if isinstance(response, BrokenConnection) and response.whole is None:
                error = ProtocolError(
                    "Connection aborted.", RemoteDisconnected("Remote end closed connection without response")
                )
                retries = retries.increment(method, request.url, error=error)
                continue
            raw = _raw(response, method)
            if not retries.is_retry(method, raw.status, has_retry_after="Retry-After" in raw.headers):
                return adapter.build_response(request, raw)
            try:
                retries = retries.increment(method, request.url, response=raw)
            except MaxRetryError:
                if retries.raise_on_status:
                    raise
                return adapter.build_response(request, raw)
        except MaxRetryError as failure:
            if isinstance(failure.reason, ResponseError):
                raise requests.exceptions.RetryError(failure, request=request) from failure
            raise requests.ConnectionError(failure, request=request) from failure
        except ProtocolError as failure:
            raise requests.ConnectionError(failure, request=request) from failure


def _raw(response: Response, method: str) -> HTTPResponse:
    whole, cut = response, None
    if isinstance(response, BrokenConnection) and response.whole is not None:
        whole = response.whole
        cut = len(whole.get_data()) // 2
    body = b"" if method == "HEAD" else whole.get_data()[:cut]
    return HTTPResponse(
        body=io.BytesIO(body),
        headers=HTTPHeaderDict(whole.headers.items()),
        status=whole.status_code,
        reason=whole.status.partition(" ")[2],
        version=11,
        preload_content=False,
        request_method=method,
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if hasattr(body, "read"):
        data = body.read()
        return data.encode() if isinstance(data, str) else bytes(data)
    return b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in body)
