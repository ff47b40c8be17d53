"""A small client of the admin address, for the command line."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, BinaryIO
from urllib.parse import urlencode

DEFAULT_ADDRESS = "http://127.0.0.1:8774"
_CHUNK = 1024 * 1024


class AdminError(Exception):
    """The server did not do what was asked; the message says why and what to do."""


class AdminClient:
    """Talks to a running server.

    Parameters
    ----------
    address
        ``http://127.0.0.1:PORT``.
    token
        The server's ``--admin-token``, when it was started with one.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, token: str | None = None) -> None:
        if not address.startswith("http://"):
            raise AdminError(f"the address must begin with http://, not {address!r}")
        self.address = address.rstrip("/")
        self._token = token
        # Never through a proxy: the address is this machine's, and the proxy of the environment may be the fake.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the JSON answer of one request, None when it has no body."""
        terms = {name: value for name, value in query.items() if value is not None}
        url = f"{self.address}/fakes{path}" + (f"?{urlencode(terms)}" if terms else "")
        with self._open(method, url, None if body is None else json.dumps(body).encode()) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def download(self, path: str, file: BinaryIO) -> None:
        """Copy the answer to a file, a piece at a time."""
        with self._open("GET", f"{self.address}/fakes{path}", None) as answer:
            while chunk := self._piece(answer):
                file.write(chunk)

    def _piece(self, answer: Any) -> bytes:
        try:
            return bytes(answer.read(_CHUNK))
        except (http.client.HTTPException, OSError) as error:
            raise AdminError(f"the server at {self.address} ended in the middle of its answer; try again") from error

    def upload(self, path: str, file: BinaryIO) -> None:
        """Put what is in a file, a piece at a time."""
        self._open("PUT", f"{self.address}/fakes{path}", iter(lambda: file.read(_CHUNK), b"")).close()

    def _open(self, method: str, url: str, data: bytes | Iterable[bytes] | None) -> Any:
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - http:// was checked
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            return self._opener.open(request, timeout=60)
        except urllib.error.HTTPError as error:
            raise AdminError(_reason(error)) from error
        except OSError as error:
            raise AdminError(
                f"no server answers at {self.address} ({getattr(error, 'reason', error)}); start one with "
                "'python -m fakes serve', or say where it is with --address or FAKES_ADDRESS"
            ) from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code} {error.reason}"
