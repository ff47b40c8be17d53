"""JSON lines on standard error: one object a line, never bodies, never keys."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

_STDERR = 2
_level = logging.INFO
context: Callable[[], dict[str, str]] = dict
"""Gives the ids of the request that is being scored; set by the worker."""


def set_level(name: str) -> None:
    """Set the least level that is written, by its name; an unknown name means INFO."""
    global _level
    level = getattr(logging, name.upper(), logging.INFO)
    _level = level if isinstance(level, int) else logging.INFO


def now() -> str:
    """The time, RFC 3339, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(data: bytes) -> None:
    """Write to standard error, whole; a log that cannot be written (a full disk) never stops the service."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(_STDERR, view) :]
    except OSError:
        pass


def line(level: str, event: str, **fields: Any) -> None:
    """Write one line."""
    if getattr(logging, level.upper()) < _level:
        return
    document = {"time": now(), "level": level, "event": event, "pid": os.getpid(), **context(), **fields}
    write(json.dumps(document, default=str, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


class Handler(logging.Handler):
    """Sends the ``logging`` of entry scripts and libraries the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        level = record.levelname.lower()
        line(level if hasattr(logging, level.upper()) else "info", "log", **fields)


class PrintStream(io.TextIOBase):
    """What ``print`` in an entry script writes to: each line becomes a log line."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = ""

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Take text; whole lines are written at once."""
        *lines, self._rest = (self._rest + text).split("\n")
        for each in lines:
            line("info", "print", message=each)
        return len(text)

    def flush(self) -> None:
        """Write what is left of an unfinished line."""
        if self._rest:
            line("info", "print", message=self._rest)
            self._rest = ""


def capture() -> None:
    """In a worker: ``print`` and ``logging`` become JSON lines, and raw writes to standard output go to the log."""
    os.dup2(_STDERR, 1)
    sys.stdout = PrintStream()
    root = logging.getLogger()
    root.handlers[:] = [Handler()]
    root.setLevel(_level)
    logging.captureWarnings(True)
