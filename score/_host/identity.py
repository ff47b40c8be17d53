"""The three id headers, ``TraceId`` and W3C ``traceparent``: what comes in, what goes out.

==========================  =====================================================================================
``x-request-id``            the client's, or a new UUID
``x-ms-client-request-id``  echoed when given; filled from ``x-ms-request-id`` when only that is given
``x-ms-request-id``         (deprecated) echoed; filled from ``x-ms-client-request-id``, then from ``x-request-id``
==========================  =====================================================================================

Each holds at most 100 characters (431 otherwise). Rules observed on azureml-inference-server-http 1.5.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NamedTuple

LIMIT = 100
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class Ids(NamedTuple):
    """The ids of one request; empty means: not sent back."""

    request: str
    client: str
    legacy: str
    problem: str = ""
    """Why the request is refused with 431; empty when it is not."""


def new_id() -> str:
    """A random UUID (version 4) as text; what ``uuid.uuid4`` gives, at a third of its time."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_ids(get: Callable[[str, str], str]) -> Ids:
    """The ids that a request gets.

    Parameters
    ----------
    get : callable
        ``get(name, default)`` gives a request header.
    """
    request = get("x-request-id", "") or new_id()
    if len(request) > LIMIT:
        return Ids("", "", "", f"x-request-id must not exceed {LIMIT} characters")
    legacy = get("x-ms-request-id", "")
    client = get("x-ms-client-request-id", "")
    if legacy:
        client = client or legacy
    else:
        legacy = client or request
    if len(legacy) > LIMIT or len(client) > LIMIT:
        return Ids(request, "", "", f"x-ms-request-id and x-ms-client-request-id must not exceed {LIMIT} characters")
    return Ids(request, client, legacy)


def trace_of(traceparent: str) -> tuple[str, str] | None:
    """Trace id and parent span id of a W3C ``traceparent`` header; ``None`` when it is malformed."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return (match[1], match[2]) if match else None
