"""How many requests a service answers at once, and how long the next one may wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator


class Overloaded(Exception):
    """No slot became free in time."""


class Gate:
    """A queue with a number of slots that may change while requests are in it.

    Parameters
    ----------
    slots : int
        Requests in flight at once.
    """

    def __init__(self, slots: int) -> None:
        self._changed = threading.Condition()
        self._slots = slots
        self._busy = 0
        self._waiting = 0
        self._present = 0

    @property
    def busy(self) -> int:
        """Requests in flight."""
        return self._busy

    @property
    def load(self) -> float:
        """Requests in flight or waiting, per slot."""
        with self._changed:
            return (self._busy + self._waiting) / max(1, self._slots)

    def resize(self, slots: int) -> None:
        """Change the number of slots."""
        with self._changed:
            self._slots = slots
            self._changed.notify_all()

    @contextlib.contextmanager
    def present(self) -> Iterator[None]:
        """Count a request from when it is sent this way until it is answered: `drained` waits for it."""
        with self._changed:
            self._present += 1
        try:
            yield
        finally:
            with self._changed:
                self._present -= 1
                self._changed.notify_all()

    def drained(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until no request is present; whether that came to pass."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._present, timeout)

    @contextlib.contextmanager
    def slot(self, wait: float) -> Iterator[None]:
        """Hold a slot; wait up to `wait` seconds for it.

        Raises
        ------
        Overloaded
            No slot was free in time.
        """
        deadline = time.monotonic() + wait
        with self._changed:
            self._waiting += 1
            try:
                while self._busy >= self._slots:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise Overloaded
                    self._changed.wait(left)
                self._busy += 1
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify()
