"""Door 1: every request of this process to an Azure host is answered by the application."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from http.client import HTTPMessage
from typing import Any
from urllib.parse import urlsplit

import requests
import responses
from requests.adapters import HTTPAdapter
from responses import BaseResponse, CallList
from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse

from fakes.core import hosts
from fakes.core.application import Application
from fakes.core.environ import build_environ
from fakes.core.faults import BrokenConnection


class _NoLog(CallList):
    """A call log that does not grow: the state keeps its own, bounded."""

    def add(self, request: Any, response: Any) -> None:
        pass

    def add_call(self, call: Any) -> None:
        pass


class _Headers:
    """What ``http.client`` would hand to urllib3: repeated headers stay apart."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.msg = HTTPMessage()
        for name, value in pairs:
            self.msg.add_header(name, value)

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        pass


class _Azure(BaseResponse):
    """Matches every request to an Azure host."""

    def __init__(self, application: Callable[[], Application]) -> None:
        super().__init__("GET", re.compile(".*"))
        self._calls = _NoLog()
        self._application = application

    def matches(self, request: Any) -> tuple[bool, str]:
        return hosts.is_azure(urlsplit(request.url).netloc), ""

    def get_response(self, request: Any) -> HTTPResponse:
        return answer(self._application(), request)


def answer(application: Application, request: requests.PreparedRequest) -> HTTPResponse:
    """Return the application's answer to a request of the ``requests`` library."""
    parts = urlsplit(str(request.url))
    host = request.headers.get("Host") or parts.netloc.rpartition("@")[2]
    environ = build_environ(
        str(request.method),
        parts.scheme,
        host if isinstance(host, str) else host.decode(),
        request.path_url,
        [(_text(name), _text(value)) for name, value in request.headers.items()],
        _body(request.body),
    )
    response = application.handle(environ)
    if isinstance(response, BrokenConnection):
        raise requests.ConnectionError("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))")
    pairs = list(response.headers.items())
    return HTTPResponse(
        body=io.BytesIO(b"" if request.method == "HEAD" else response.get_data()),
        headers=HTTPHeaderDict(pairs),
        status=response.status_code,
        reason=response.status.partition(" ")[2].title(),
        version=11,
        preload_content=False,
        original_response=_Headers(pairs),  # type: ignore[arg-type]
        request_method=request.method,
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


class Interception:
    """Patches the transport of ``requests`` (through ``responses``) for every session and thread of the process."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self._application = application
        self._mock: responses.RequestsMock | None = None

    def start(self) -> None:
        """Begin to answer. What was in place before (the real transport, another mock) still gets every other host."""
        mock = responses.RequestsMock(assert_all_requests_are_fired=False, real_adapter_send=HTTPAdapter.send)
        mock._calls = _NoLog()
        mock.add(_Azure(self._application))
        mock.add_passthru(re.compile(".*"))
        mock.start()
        self._mock = mock

    def stop(self) -> None:
        """Put back what was in place before."""
        if self._mock is not None:
            self._mock.stop()
            self._mock = None
