"""Which revision answers the next request, and how it has been doing: the gateway's state, without HTTP."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STATUS_PATH = "/.mlops/gateway"
TOKEN_HEADER = "x-mlops-gateway-token"  # noqa: S105 (a header's name)
REVISION_HEADER = "azureml-model-deployment"
"""Asks for one revision, and says which one answered; the name that Azure's managed endpoints use."""
WINDOW = 2000
"""How many of the last latencies of a revision are kept."""


@dataclass
class Upstream:
    """One revision: where it is, its share, and its counts since the gateway began (or since they were reset)."""

    id: str
    port: int
    traffic: int
    credit: int = 0
    in_flight: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    since: float = field(default_factory=time.monotonic)

    def document(self) -> dict[str, Any]:
        """Counts and latency percentiles (milliseconds), as JSON."""
        ordered = sorted(self.latencies)
        return {
            "id": self.id,
            "traffic": self.traffic,
            "in_flight": self.in_flight,
            "seconds": round(time.monotonic() - self.since, 3),
            "requests": sum(self.statuses.values()),
            "errors": sum(count for status, count in self.statuses.items() if status >= 500),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "latency_ms": {f"p{q}": percentile(ordered, q) for q in (50, 95, 99)},
        }


def percentile(ordered: list[float], q: int) -> float | None:
    """The nearest-rank percentile of sorted seconds, in milliseconds; ``None`` of none."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(len(ordered) * q / 100) - 1)] * 1000, 3)


class Router:
    """Follows ``service.json`` and shares requests among the revisions in it.

    The file is looked at (one ``stat``) before each choice, so a request that comes after the file was replaced never
    goes to a revision that the file no longer names. Shares are exact, not random: of 100 requests, a revision with
    10 percent gets 10 (smooth weighted round robin, as nginx does it).
    """

    def __init__(self, document: Path) -> None:
        self._document = document
        self._seen: tuple[int, int, int] | None = None
        self._lock = threading.Lock()
        self._upstreams: dict[str, Upstream] = {}
        self._generation = 0

    def enter(self, wanted: str | None = None) -> Upstream | None:
        """Choose a revision (or take the `wanted` one), count a request in flight there; ``None`` if there is none."""
        with self._lock:
            self._follow()
            chosen = self._upstreams.get(wanted) if wanted is not None else self._next()
            if chosen is not None:
                chosen.in_flight += 1
            return chosen

    def leave(self, upstream: Upstream, status: int, begin: float) -> None:
        """The request is over: count it."""
        with self._lock:
            upstream.in_flight -= 1
            upstream.statuses[status] += 1
            upstream.latencies.append(time.perf_counter() - begin)

    def document(self) -> dict[str, Any]:
        """The counts of all revisions."""
        with self._lock:
            self._follow()
            return {
                "generation": self._generation,
                "revisions": [upstream.document() for upstream in self._upstreams.values()],
            }

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            for upstream in self._upstreams.values():
                upstream.statuses.clear()
                upstream.latencies.clear()
                upstream.since = time.monotonic()

    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        with self._lock:
            return sum(upstream.in_flight for upstream in self._upstreams.values())

    def _next(self) -> Upstream | None:
        weighted = [upstream for upstream in self._upstreams.values() if upstream.traffic > 0]
        if not weighted:
            return None
        total = sum(upstream.traffic for upstream in weighted)
        for upstream in weighted:
            upstream.credit += upstream.traffic
        chosen = max(weighted, key=lambda upstream: upstream.credit)
        chosen.credit -= total
        return chosen

    def _follow(self) -> None:
        try:
            stat = self._document.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return
            document = json.loads(self._document.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # go on with what is known; whoever writes the file replaces it whole
        found: dict[str, Upstream] = {}
        for item in document["revisions"]:
            if item["port"] is None or item["phase"] == "starting":
                continue
            known = self._upstreams.get(item["id"]) or Upstream(item["id"], item["port"], 0)
            if known.traffic != item["traffic"]:
                known.credit = 0
            known.port, known.traffic = item["port"], item["traffic"]
            found[known.id] = known
        # One that left the file still counts until its last request is answered.
        for gone in self._upstreams.values():
            if gone.id not in found and gone.in_flight:
                gone.traffic = 0
                found[gone.id] = gone
        self._upstreams, self._seen, self._generation = found, seen, document["generation"]
