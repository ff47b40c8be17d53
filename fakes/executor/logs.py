"""What a job writes, kept as artifacts of its run while it goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from types import TracebackType

from fakes.executor.jobs import JobGone

FLUSH_SECONDS = 0.5
FLUSH_BYTES = 65536
TAIL = 4096


class Log:
    """Collects output and hands it to `append` a piece at a time, at most every half second.

    Attributes
    ----------
    tail : bytes
        The last few thousand bytes, for error messages.
    """

    def __init__(self, append: Callable[[bytes], None]) -> None:
        self._append = append
        self._lock = threading.Lock()
        self._order = threading.Lock()
        self._waiting = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="fakes-log", daemon=True)
        self.tail = b""

    def __enter__(self) -> Log:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.flush()
        # An empty log exists too, but only at the end: the SDK stumbles over one while it streams.
        self._append(b"")

    def write(self, data: bytes) -> None:
        """Take output."""
        with self._lock:
            self._waiting += data
            self.tail = (self.tail + data)[-TAIL:]
            full = len(self._waiting) >= FLUSH_BYTES
        if full:
            self.flush()

    def line(self, text: str) -> None:
        """Take a line of our own."""
        self.write(f"{text}\n".encode())

    def flush(self) -> None:
        """Hand on what waits."""
        with self._order:
            with self._lock:
                data, self._waiting = self._waiting, b""
            if data:
                self._append(data)

    def _loop(self) -> None:
        with contextlib.suppress(JobGone):  # whoever runs the job finds it out by itself
            while not self._stop.wait(FLUSH_SECONDS):
                self.flush()
