"""One way to make a WSGI environ, used by both doors."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

RAW_PATH = "fakes.raw_path"
# Set by the server for a request that names no host of Azure: it is meant for the fake itself.
ADMIN = "fakes.admin"
# The certificate of the server's authority, for the admin address to hand out.
CA_PEM = "fakes.ca_pem"


class Readable(Protocol):
    """What is needed of a body stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""


def build_environ(
    method: str,
    scheme: str,
    host: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: Readable | bytes = b"",
) -> dict[str, Any]:
    """Return the WSGI environ of one request.

    Parameters
    ----------
    target
        Path and query exactly as they were sent: the path stays undecoded under ``fakes.raw_path``, because a name
        may hold an encoded slash.
    headers
        Name and value pairs; a name that comes twice is joined with a comma.
    body
        The whole body, or a stream that ends where the body ends (chunked transfer coding already removed).
    """
    path, _, query = target.partition("?")
    length: int | None = None
    stream: Readable
    if isinstance(body, bytes):
        length, stream = len(body), io.BytesIO(body)
    else:
        stream = body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        RAW_PATH: path or "/",
        "QUERY_STRING": query,
        "SERVER_NAME": host.partition(":")[0],
        "SERVER_PORT": host.partition(":")[2] or ("443" if scheme == "https" else "80"),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key in ("HOST", "CONNECTION", "PROXY_CONNECTION", "TRANSFER_ENCODING", "CONTENT_LENGTH"):
            continue
        if key != "CONTENT_TYPE":
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return environ
