"""Ask a service, keep what a client could depend on, and say where answers differ."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Thread

import requests

from deploy.services import Keys
from tests.deploy.scoring.corpus import BACK, BUSY, CASES, GONE, HOLD, SLOW, Case
from tests.deploy.scoring.project import Hold
from tests.score.hosts import wait_for

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Of one connection or of one moment, or of no consequence.
_LEFT_OUT = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
PATIENCE = 60.0
"""Seconds that a client waits: longer than every time-out under test."""


@dataclass(frozen=True)
class Seen:
    """An answer without what is new each time."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    def differs(self, other: Seen) -> set[str]:
        """``status``, ``body`` and the names of headers."""
        names = {name for name in {*self.headers, *other.headers} if self.headers.get(name) != other.headers.get(name)}
        names |= {"status"} if self.status != other.status else set()
        return names | ({"body"} if self.body != other.body else set())


@dataclass
class Target:
    """A service under test.

    `kill` ends everything that serves, as a crash would. `wait_until_back` returns when whoever brings it back has;
    ``None`` where nobody does. `refuses_when_busy`: a request that comes while every worker is busy is refused, not
    kept.
    """

    uri: str
    keys: Keys
    kill: Callable[[], None]
    hold: Hold | None = None
    refuses_when_busy: bool = False
    before_slow: Callable[[], None] = lambda: None
    wait_until_back: Callable[[], None] | None = None

    def ask(self, case: Case) -> Seen:
        """Send one request."""
        headers = dict(case.headers)
        if case.key is not None:
            key = case.key.format(primary=self.keys.primary, secondary=self.keys.secondary)
            headers["Authorization"] = key
        address = f"{self.uri.rpartition('/')[0]}/{case.path}"
        answer = requests.request(
            case.method, address, data=case.body, headers=headers, timeout=PATIENCE, allow_redirects=False
        )
        kept = {
            name.lower(): _settled(name.lower(), value)
            for name, value in answer.headers.items()
            if name.lower() not in _LEFT_OUT
        }
        return Seen(answer.status_code, _UUID.sub("<id>", answer.content.decode("latin-1")), kept)


def collect(target: Target) -> dict[str, Seen]:
    """All answers of one target, by case."""
    seen = {case.id: target.ask(case) for case in CASES}
    seen[BUSY.id] = _busy(target)
    target.before_slow()
    if target.hold is not None:
        target.hold.again()
    seen[SLOW.id] = target.ask(SLOW)
    if target.hold is not None:
        target.hold.release()
    target.kill()
    seen[GONE.id] = target.ask(GONE)
    if target.wait_until_back is not None:
        target.wait_until_back()
    seen[BACK.id] = target.ask(BACK)
    return seen


def _busy(target: Target) -> Seen:
    """The answer to a request that comes while the only worker is at another."""
    if target.hold is None:  # nobody can release it: it ends at the time-out
        return target.ask(BUSY)
    hold, found = target.hold, []
    first = Thread(target=target.ask, args=(HOLD,))
    first.start()
    wait_for(lambda: hold.held, "the entry script to hold a request")
    second = Thread(target=lambda: found.append(target.ask(BUSY)))
    second.start()
    if target.refuses_when_busy:
        second.join(PATIENCE)
    hold.release()
    first.join(PATIENCE)
    second.join(PATIENCE)
    return found[0]


def _settled(name: str, value: str) -> str:
    return "<ms>" if name == "x-ms-run-fn-exec-ms" else _UUID.sub("<id>", value)
