"""Managed transitions: when an operation that takes time is seen to end, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fakes.core.records import record


@record
class Transition:
    """When operations of one kind end.

    Parameters
    ----------
    mode
        ``immediately`` (as soon as the work is done), ``polls`` (after `after` polls that answer "running"), or
        ``seconds`` (not before `after` seconds on the fake's clock).
    after
        A number of polls or seconds.
    failure
        When given, the operation ends as failed with this ``{"code", "message"}``.
    """

    mode: Literal["immediately", "polls", "seconds"] = "immediately"
    after: float = 0
    failure: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("immediately", "polls", "seconds"):
            raise ValueError(f"mode must be immediately, polls or seconds, not {self.mode!r}")
        if self.after < 0:
            raise ValueError("after must not be negative")
        if self.failure is not None and not {"code", "message"} <= set(self.failure):
            raise ValueError("failure needs code and message")


IMMEDIATELY = Transition()


class Transitions:
    """Which transition an operation of a kind gets. Kinds are free words: ``compute``, ``service``, ``image``, ``run``.

    ``*`` is the default for kinds that have none of their own.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Transition] = {}

    def set(
        self,
        kind: str,
        mode: Literal["immediately", "polls", "seconds"] = "immediately",
        after: float = 0,
        failure: dict[str, Any] | None = None,
    ) -> Transition:
        """Set the transition of a kind; operations that run already keep theirs."""
        self._rules[kind] = Transition(mode, after, failure)
        return self._rules[kind]

    def get(self, kind: str) -> Transition:
        """Return the transition of a kind."""
        return self._rules.get(kind) or self._rules.get("*") or IMMEDIATELY

    def clear(self, kind: str | None = None) -> None:
        """Forget the rule of one kind, or every rule."""
        if kind is None:
            self._rules.clear()
        else:
            self._rules.pop(kind, None)

    def document(self) -> dict[str, dict[str, Any]]:
        """Return the rules as JSON."""
        return {k: {"mode": t.mode, "after": t.after, "failure": t.failure} for k, t in sorted(self._rules.items())}


@dataclass(eq=False)
class Failure(Exception):
    """Raised by the work of an operation: it ends as failed with this error."""

    code: str
    message: str
    status: int = 400
    details: tuple[dict[str, Any], ...] = ()
