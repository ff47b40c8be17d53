"""The requests: what clients send on good and bad days, in the order in which a service gets them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

JSON = "application/json"
NPY = "application/x-npy"
LIMIT = 100_000
"""Bytes of a body, at every limit of a service under test; production's are a thousand times as large."""
WISH = "x-corpus"
"""Header that asks the entry script to misbehave (see ``project.py``)."""
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
HEX = "0123456789abcdef"
TRACEPARENT = f"00-{HEX}{HEX}-{HEX}-01"


@dataclass(frozen=True)
class Case:
    """One request.

    ``path`` replaces the last segment of the scoring address. ``key`` is what goes into ``Authorization``:
    ``{primary}`` and ``{secondary}`` stand for the service's keys; ``None`` sends no such header. ``status`` is what a
    local service answers.
    """

    id: str
    method: str = "POST"
    path: str = "score"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON),)
    body: bytes = b""
    key: str | None = "Bearer {primary}"
    status: int = 200


def post(
    id_: str,
    body: Any,
    *headers: tuple[str, str],
    status: int = 200,
    kind: str | None = JSON,
    key: str | None = "Bearer {primary}",
) -> Case:
    """A POST of JSON, or of bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    typed = (("Content-Type", kind),) if kind is not None else ()
    return Case(id_, headers=typed + headers, body=data, key=key, status=status)


def other(
    id_: str, method: str, path: str = "score", *, key: str | None = "Bearer {primary}", status: int = 200
) -> Case:
    """Another method or path, without a body."""
    return Case(id_, method, path, (), b"", key, status)


def npy(array: Any, *, pickled: bool = False) -> bytes:
    """The bytes of a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


GOOD = {"data": ROWS}
BODIES = (
    post("good", GOOD),
    post("one-row", {"data": ROWS[:1]}),
    post("wrong-width", {"data": [[1, 2]]}, status=400),
    post("ragged", {"data": [[1, 2, 3], [1, 2]]}, status=400),
    post("words", {"data": [["a", "b", "c"]]}, status=400),
    post("null", {"data": [[1, None, 3]]}, status=400),
    post("nan", b'{"data": [[NaN, 2, 3]]}', status=400),
    post("overflow", b'{"data": [[1e999, 2, 3]]}', status=400),
    post("empty", b"", status=400),
    post("no-rows", {"data": []}, status=400),
    post("no-data", {"rows": ROWS}, status=400),
    post("bad-json", b'{"data": [[1, 2', status=400),
    post("not-utf8", b'{"data": "\xff\xfe"}', status=400),
)
TYPES = (
    post("type-text", GOOD, kind="text/plain"),
    post("type-charset", GOOD, kind="application/json; charset=utf-8"),
    post("type-none", GOOD, kind=None),
    post("type-form", GOOD, kind="application/x-www-form-urlencoded"),
    post("type-image", GOOD, kind="image/png", status=415),
    post("encoded", GOOD, ("Content-Encoding", "gzip"), status=415),
    post("npy", npy(np.array(ROWS)), kind=NPY),
    post("npy-wide", npy(np.ones((2, 4))), kind=NPY, status=400),
    post("npy-pickled", npy(np.array([{}], dtype=object), pickled=True), kind=NPY, status=400),
    post("npy-for-json", GOOD, ("Accept", NPY)),
)
SIZES = (
    post("at-limit", json.dumps({**GOOD, "pad": ""}).encode().ljust(LIMIT)),
    post("over-limit", json.dumps({**GOOD, "pad": ""}).encode().ljust(LIMIT + 1), status=413),
)
IDS = (
    post("id", GOOD, ("x-request-id", "mine-1")),
    post("id-legacy", GOOD, ("x-ms-request-id", "mine-2")),
    post("id-client", GOOD, ("x-ms-client-request-id", "mine-3")),
    post("ids", GOOD, ("x-request-id", "a"), ("x-ms-request-id", "b"), ("x-ms-client-request-id", "c")),
    post("id-too-long", GOOD, ("x-request-id", "m" * 101), status=431),
    post(
        "id-on-an-error", {"data": [[1]]}, ("x-request-id", "mine-4"), ("x-ms-client-request-id", "mine-5"), status=400
    ),
    post("trace", GOOD, ("TraceId", "t-1"), ("traceparent", TRACEPARENT)),
)
KEYS = (
    post("key-secondary", GOOD, key="Bearer {secondary}"),
    post("key-lower-scheme", GOOD, key="bearer {primary}"),
    post("key-none", GOOD, key=None, status=401),
    post("key-wrong", GOOD, key="Bearer wrong", status=401),
    post("key-empty", GOOD, key="Bearer ", status=401),
    post("key-basic", GOOD, key="Basic {primary}", status=401),
    post("key-without-scheme", GOOD, key="{primary}", status=401),
    post("key-none-bad-body", b"{", key=None, status=401),
)
METHODS = (
    Case("get", "GET", f"score?data={json.dumps(ROWS)}", ()),
    other("get-nothing", "GET", status=400),
    other("head", "HEAD"),
    other("options", "OPTIONS"),
    other("put", "PUT", status=405),
    other("delete", "DELETE", status=405),
)
PATHS = (
    other("health", "GET", ""),
    other("health-no-key", "GET", "", key=None),
    other("swagger", "GET", "swagger.json?version=3"),
    other("swagger-no-key", "GET", "swagger.json?version=3", key=None),
    other("path-wrong", "GET", "nothing", status=404),
    other("path-wrong-no-key", "GET", "nothing", key=None, status=401),
    Case("path-below", "POST", "score/more", body=json.dumps(GOOD).encode(), status=404),
)
FAILURES = (
    post("script-raises", GOOD, (WISH, "raise"), status=500),
    post("worker-dies", GOOD, (WISH, "exit"), status=500),
    post("after-a-worker-died", GOOD),
)
CASES = (*BODIES, *TYPES, *SIZES, *IDS, *KEYS, *METHODS, *PATHS, *FAILURES)
"""Sent one after the other."""

HOLD = post("held", GOOD, (WISH, "hold"))
"""Occupies the only worker; not compared."""
BUSY = post("busy", GOOD)
"""Sent while ``HOLD`` is being answered, which ends soon after."""
SLOW = post("too-slow", GOOD, (WISH, "hold"), status=500)
"""Takes longer than any time-out."""
GONE = post("container-gone", GOOD, status=502)
"""The first request after everything that served was killed."""
BACK = post("container-back", GOOD, status=502)
"""After whoever brings a service back by itself has done so."""
EVENTS = (BUSY, SLOW, GONE, BACK)
