"""The application's answer as the transport of ``requests`` gives it, retries included."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from http.client import RemoteDisconnected
from typing import IO, Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import MaxRetryError, ProtocolError, ResponseError
from urllib3.response import HTTPResponse
from urllib3.util.retry import Retry
from werkzeug import Response

from fakes.core.application import Application
from fakes.core.broken import BrokenConnection
from fakes.core.content import CHUNK
from fakes.core.environ import build_environ
from fakes.core.folders import process_folder


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
    method, body = str(request.method), _body(request.body, application.state.settings.memory_body)
    retries: Retry = adapter.max_retries
    while True:
        environ = build_environ(method, parts.scheme, host, request.path_url, headers, body)
        if not isinstance(body, bytes):
            body.seek(0, io.SEEK_END)
            environ["CONTENT_LENGTH"] = str(body.tell())
            body.seek(0)
        response = application.handle(environ)
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
    body: io.BytesIO | io.BufferedReader
    if whole.is_streamed and cut is None and method != "HEAD":
        body = io.BufferedReader(_Stream(whole))
    else:
        body = io.BytesIO(b"" if method == "HEAD" else whole.get_data()[:cut])
    return HTTPResponse(
        body=body,
        headers=HTTPHeaderDict(whole.headers.items()),
        status=whole.status_code,
        reason=whole.status.partition(" ")[2],
        version=11,
        preload_content=False,
        request_method=method,
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class _Stream(io.RawIOBase):
    """The body of a large answer, read as the client reads it."""

    def __init__(self, response: Response) -> None:
        self._response, self._parts, self._rest = response, iter(response.iter_encoded()), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


def _read(file: Any) -> Iterator[Any]:
    while part := file.read(CHUNK):
        yield part


def _body(body: Any, memory: int) -> bytes | IO[bytes]:
    """Return a request's body as bytes; a stream (a file, a generator) as a file that can be read again for a retry."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    parts = _read(body) if hasattr(body, "read") else iter(body)
    # Not a context manager: it goes with the request, and so does its file.
    copy = tempfile.SpooledTemporaryFile(max_size=memory, dir=str(process_folder()))  # noqa: SIM115
    for part in parts:
        copy.write(part.encode() if isinstance(part, str) else part)
    return cast("IO[bytes]", copy)
