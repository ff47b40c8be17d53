"""Time as the fake sees it, and the ids that it hands out."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any


class Clock:
    """The time of the fake: the machine's, until it is frozen or moved."""

    def __init__(self) -> None:
        self._frozen: datetime | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the current time, timezone aware, UTC."""
        if self._frozen is not None:
            return self._frozen
        return datetime.now(timezone.utc) + self._offset

    def timestamp(self) -> float:
        """Return the current time in seconds since 1970."""
        return self.now().timestamp()

    def iso(self) -> str:
        """Return the current time as Azure ML writes it (RFC 3339, UTC)."""
        return iso(self.now())

    def freeze(self, at: datetime) -> None:
        """Stop the clock at `at`."""
        self._frozen = at.astimezone(timezone.utc)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        step = timedelta(seconds=seconds)
        if self._frozen is not None:
            self._frozen += step
        else:
            self._offset += step

    def export(self) -> dict[str, Any]:
        """Return what import needs."""
        return {"frozen": self._frozen and iso(self._frozen), "offset": self._offset.total_seconds()}

    def load(self, document: Mapping[str, Any]) -> None:
        """Take what `export` returned. Raises ``ValueError`` when it is something else."""
        frozen, offset = document["frozen"], timedelta(seconds=document["offset"])
        self._frozen = datetime.fromisoformat(frozen.replace("Z", "+00:00")) if frozen else None
        self._offset = offset

    def reset(self) -> None:
        """Go back to the machine's time."""
        self._frozen = None
        self._offset = timedelta()


class Ids:
    """Seeded ids: the same seed gives the same ids in the same order. Safe for threads."""

    def __init__(self, seed: int | str) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(str(seed))  # noqa: S311 - ids of a fake, reproducible by design

    def export(self) -> list[Any]:
        """Return what import needs."""
        with self._lock:
            version, inner, rest = self._random.getstate()
            return [version, list(inner), rest]

    def load(self, document: Sequence[Any]) -> None:
        """Go on where an export was: what it handed out does not come again."""
        version, inner, rest = document
        with self._lock:
            self._random.setstate((version, tuple(inner), rest))

    def guid(self) -> str:
        """Return a UUID in its usual form."""
        with self._lock:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def hex(self, digits: int) -> str:
        """Return `digits` hexadecimal digits."""
        with self._lock:
            return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def random(self) -> float:
        """Return a number in [0, 1)."""
        with self._lock:
            return self._random.random()

    def secret(self, size: int = 64) -> bytes:
        """Return the bytes of a key."""
        with self._lock:
            return self._random.randbytes(size)


def iso(moment: datetime) -> str:
    """Return `moment` as Azure ML writes times."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def http_date(moment: datetime) -> str:
    """Return `moment` as HTTP headers write times (RFC 9110)."""
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


def monotonic() -> float:
    """Return a clock that never goes back, for deadlines."""
    return time.monotonic()
