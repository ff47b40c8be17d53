"""An append-only file of JSON lines, for many writers, that survives a torn last line."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry.errors import Corrupt
from registry.files import disk


class EventFile:
    """Events of one run, read from where the last reading ended.

    A line counts when it is complete. What a crash left after the last complete line is not an event: nobody was told
    that it was kept. The next writer cuts it off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        self._end = 0

    def read(self) -> list[dict[str, Any]]:
        """All events so far. Raises ``FileNotFoundError``, ``Corrupt``."""
        fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._read_on(fd)
        finally:
            os.close(fd)
        return self.events

    def append(self, event: dict[str, Any], check: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Append `event` durably if ``check(events so far)`` says so; alone among writers."""
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, sort_keys=True).encode() + b"\n"
        fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._read_on(fd)
            if not check(self.events):
                os.fsync(fd)  # the event that made this one unnecessary may not be durable yet
                return
            if os.fstat(fd).st_size > self._end:
                os.ftruncate(fd, self._end)
            os.lseek(fd, self._end, os.SEEK_SET)
            disk.write_all(fd, line)
            os.fsync(fd)
            self.events.append(event)
            self._end += len(line)
        finally:
            os.close(fd)

    def _read_on(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        if size < self._end:
            raise Corrupt(f"{self.path} became shorter")
        os.lseek(fd, self._end, os.SEEK_SET)
        data = b""
        while block := os.read(fd, 1 << 20):
            data += block
        lines = data.split(b"\n")
        lines.pop()  # empty, or a line that is not complete
        for position, line in enumerate(lines):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                event = None
            if not isinstance(event, dict):
                if position == len(lines) - 1 and b"\0" in line:
                    return  # the end of a file after a power loss: a length without its bytes
                raise Corrupt(f"{self.path}, at byte {self._end}, is not a JSON object")
            self.events.append(event)
            self._end += len(line) + 1
