"""The last requests that the fake answered, bounded."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from fakes.core.content import Content

_BODY_LIMIT = 16 * 1024
# Looking at the fake is counted and not remembered: the page that watches would push out what it watches.
_OWN = ("Admin_", "Page_")
# Their bodies are secrets.
_HIDDEN = ("SignIn_Token", "Registry_Token", "LoopbackRegistry_Token")
_SECRET_FORM = ("client_secret", "assertion", "refresh_token")


@dataclass(frozen=True)
class Entry:
    """One request and its answer."""

    number: int
    time: str
    method: str
    url: str
    operation: str
    status: int
    milliseconds: float
    thread: str
    request_body: str
    response_body: str


class RequestLog:
    """A ring of the last requests and a count a operation since the reset."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._ring: deque[Entry] = deque(maxlen=size)
        self._counts: Counter[str] = Counter()
        self._number = 0

    def add(
        self,
        *,
        time: str,
        method: str,
        url: str,
        operation: str,
        status: int,
        milliseconds: float,
        request_body: bytes | Content,
        response_body: bytes,
    ) -> None:
        """Remember one request. Bodies are cut, secrets of sign-in left out."""
        hidden = operation.startswith(_HIDDEN)
        with self._lock:
            self._number += 1
            self._counts[operation] += 1
            if operation.startswith(_OWN):
                return
            self._ring.append(
                Entry(
                    self._number,
                    time,
                    method,
                    _without_signature(url),
                    operation,
                    status,
                    round(milliseconds, 3),
                    threading.current_thread().name,
                    "(hidden)" if hidden else _text(request_body),
                    "(hidden)" if hidden and status < 400 else _text(response_body),
                )
            )

    def entries(self, last: int | None = None, operation: str | None = None) -> list[Entry]:
        """Return the remembered requests, oldest first."""
        with self._lock:
            found = [e for e in self._ring if operation is None or e.operation == operation]
        return found if last is None else found[-last:] if last else []

    def counts(self) -> dict[str, int]:
        """Return how often each operation was called since the reset."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def documents(self, last: int | None = None) -> list[dict[str, Any]]:
        """Return the remembered requests as JSON."""
        return [asdict(entry) for entry in self.entries(last)]


def _text(body: bytes | Content) -> str:
    head = body.head(_BODY_LIMIT) if isinstance(body, Content) else body[:_BODY_LIMIT]
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return f"({len(body)} bytes)"
    return text if len(body) <= _BODY_LIMIT else f"{text}... ({len(body)} bytes)"


def _without_signature(url: str) -> str:
    base, mark, query = url.partition("?")
    parts = ["sig=(hidden)" if part.startswith("sig=") else part for part in query.split("&")]
    return base + mark + "&".join(parts)
