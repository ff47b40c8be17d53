"""Fault rules: answers that go wrong on purpose."""

from __future__ import annotations

import fnmatch
import threading
from typing import TYPE_CHECKING, Any, Literal

from fakes.core.errors import AzureError
from fakes.core.records import record

if TYPE_CHECKING:
    from fakes.core.state import State

Kind = Literal["status", "reset", "delay", "truncate"]
_CODES = {
    401: "AuthenticationFailed",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


@record
class Fault:
    """One rule.

    Parameters
    ----------
    operation
        Glob over operation names: ``Models_*``, ``*``.
    kind
        ``status`` (answer with an error), ``delay`` (answer late, and then as usual), ``reset`` (drop the connection
        without an answer), ``truncate`` (drop it in the middle of the answer).
    status, code, message, retry_after
        The error of ``status``; `retry_after` in seconds becomes the header.
    seconds
        Length of ``delay``.
    times
        Apply this often, then the rule is spent; None: always.
    skip
        Let this many matching requests through first.
    rate
        Probability that a matching request is hit, drawn from the seeded generator.
    """

    operation: str = "*"
    kind: Kind = "status"
    status: int = 503
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    times: int | None = 1
    skip: int = 0
    rate: float = 1.0
    hits: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("status", "reset", "delay", "truncate"):
            raise ValueError(f"kind must be status, reset, delay or truncate, not {self.kind!r}")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status must be an error (400 to 599), not {self.status}")
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError("rate must be between 0 and 1")
        if self.seconds < 0 or self.skip < 0 or (self.times is not None and self.times < 0):
            raise ValueError("seconds, skip and times must not be negative")

    def error(self) -> AzureError:
        """Return the error that ``status`` answers."""
        headers = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        code = self.code or _CODES.get(self.status, "FaultInjected")
        return AzureError(self.status, code, self.message or "A fault rule of the fake answers this.", headers=headers)


class Faults:
    """The rules of a state, tried in the order in which they were added."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, operation: str = "*", kind: Kind = "status", **options: Any) -> Fault:
        """Add a rule (options as for `Fault`)."""
        rule = Fault(operation=operation, kind=kind, **options)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._rules.clear()

    def rules(self) -> list[Fault]:
        """Return the rules with their counts."""
        with self._lock:
            return list(self._rules)

    def load(self, rules: list[Fault]) -> None:
        """Take the rules of an export."""
        with self._lock:
            self._rules = list(rules)

    def pick(self, operation: str) -> Fault | None:
        """Return the rule that hits a request of `operation` now, and count it."""
        with self._lock:
            for rule in self._rules:
                if not fnmatch.fnmatchcase(operation.lower(), rule.operation.lower()):
                    continue
                if rule.times is not None and rule.hits >= rule.times:
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.rate < 1.0 and self._state.ids.random() >= rule.rate:
                    continue
                rule.hits += 1
                return rule
        return None
