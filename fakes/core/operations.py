"""Operations that take time: created by one request, looked at by later ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError
from fakes.core.records import record
from fakes.core.transitions import Failure, Transition

if TYPE_CHECKING:
    from fakes.core.state import State

RUNNING, SUCCEEDED, FAILED, CANCELED = "Running", "Succeeded", "Failed", "Canceled"


@record
class Operation:
    """One long-running operation.

    ``status`` is Running, Succeeded, Failed or Canceled; ``error`` is ``{"code", "message", "statusCode", "details"}``
    when it failed; ``details`` is the service's own; ``log`` grows while the work runs.
    """

    id: str
    kind: str
    target: str
    started: str
    started_at: float
    transition: Transition
    status: str = RUNNING
    error: dict[str, Any] | None = None
    result: Any = None
    details: dict[str, Any] = field(default_factory=dict)
    log: str = ""
    polls: int = 0
    ended: str | None = None
    _work_done: threading.Event = field(default_factory=threading.Event)
    _failure: Failure | None = None
    _on_end: Callable[[Operation], None] | None = None

    @property
    def finished(self) -> bool:
        """Whether it has ended."""
        return self.status != RUNNING


class Operations:
    """Every operation of a state.

    The first poll is held (outside the lock) until the work is done, at most `State.settings.hold` seconds, so that a
    client that sleeps between polls does not wait. Nothing patches the client.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._items: dict[str, Operation] = {}

    def start(
        self,
        kind: str,
        target: str,
        *,
        work: Callable[[Operation], Any] | None = None,
        on_end: Callable[[Operation], None] | None = None,
        details: dict[str, Any] | None = None,
        operation_id: str | None = None,
    ) -> Operation:
        """Start an operation and return it.

        Parameters
        ----------
        work
            Real work, run in a thread without the lock. What it returns becomes ``result``; `Failure` (or any other
            exception) makes the operation fail.
        on_end
            Called once under the lock when the operation ends, whichever way: makes the effect visible.
        """
        state = self._state
        operation = Operation(
            id=operation_id or state.ids.guid(),
            kind=kind,
            target=target,
            started=state.clock.iso(),
            started_at=state.clock.timestamp(),
            transition=state.transitions.get(kind),
            details=dict(details or {}),
        )
        operation._on_end = on_end
        with state.lock:
            self._items[operation.id] = operation
        if work is None:
            operation._work_done.set()
            self._settle(operation)
        else:
            job = work

            def body() -> None:
                try:
                    operation.result = job(operation)
                except Failure as failure:
                    operation._failure = failure
                except Exception as error:
                    operation._failure = Failure("InternalServerError", f"{type(error).__name__}: {error}", 500)
                finally:
                    operation._work_done.set()
                    self._settle(operation)

            state.background.run(f"{kind}-{target}", body)
        return operation

    def get(self, operation_id: str) -> Operation:
        """Return an operation as it stands, without counting a poll; 404 when there is none."""
        with self._state.lock:
            operation = self._items.get(operation_id)
        if operation is None:
            raise AzureError(404, "OperationNotFound", f"The operation '{operation_id}' was not found.")
        self._settle(operation)
        return operation

    def poll(self, operation_id: str, *, hold: bool = True) -> Operation:
        """Return an operation as a client's poll sees it: counts, and may wait for the work. Never under the lock."""
        operation = self.get(operation_id)
        if hold and not operation.finished and operation.transition.mode != "polls":
            operation._work_done.wait(self._state.settings.hold)
        with self._state.lock:
            self._settle(operation)
            if not operation.finished:
                operation.polls += 1
        return operation

    def cancel(self, operation_id: str) -> Operation:
        """End a running operation as canceled."""
        with self._state.lock:
            operation = self.get(operation_id)
            if not operation.finished:
                self._end(operation, CANCELED)
        return operation

    def all(self, kind: str | None = None, target: str | None = None) -> list[Operation]:
        """Return the operations, oldest first."""
        with self._state.lock:
            items = list(self._items.values())
        return [o for o in items if kind in (None, o.kind) and target in (None, o.target)]

    def _settle(self, operation: Operation) -> None:
        """End an operation that is due."""
        with self._state.lock:
            if operation.finished or not operation._work_done.is_set() or self._state.closed:
                return
            rule = operation.transition
            if rule.mode == "polls" and operation.polls < rule.after:
                return
            if rule.mode == "seconds" and self._state.clock.timestamp() - operation.started_at < rule.after:
                return
            failure = operation._failure
            if rule.failure is not None:
                failure = Failure(rule.failure["code"], rule.failure["message"], rule.failure.get("statusCode", 400))
            if failure is not None:
                operation.error = {
                    "code": failure.code,
                    "statusCode": failure.status,
                    "message": failure.message,
                    "details": list(failure.details),
                }
            self._end(operation, FAILED if failure else SUCCEEDED)

    def _end(self, operation: Operation, status: str) -> None:
        operation.status = status
        operation.ended = self._state.clock.iso()
        if operation._on_end is not None:
            operation._on_end(operation)

    def export(self) -> list[Operation]:
        """Return every operation for an export; the ones that still run cannot go on elsewhere and are left running."""
        return list(self._items.values())

    def load(self, items: list[Operation]) -> None:
        """Take the operations of an export. Work cannot be carried over: what still ran ends as canceled."""
        self._items = {operation.id: operation for operation in items}
        for operation in items:
            operation._work_done.set()
            if not operation.finished:
                operation.status, operation.ended = CANCELED, self._state.clock.iso()
