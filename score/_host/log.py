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

from .sink import STDERR, Sink

WORKER_PATIENCE = 0.25
"""Seconds that a worker waits for a log reader that stalls, once; the front never does."""
LONGEST = 64 * 1024
"""Characters that ``print`` may leave without an end of line before they are written as one."""
_level = logging.INFO
context: Callable[[], dict[str, str]] = dict
"""Gives the ids of the request that is being scored; set by the worker."""
sink = Sink()


def set_level(name: str) -> None:
    """Set the least level that is written, by its name; an unknown name means INFO."""
    global _level
    level = getattr(logging, name.upper(), logging.INFO)
    _level = level if isinstance(level, int) else logging.INFO


def now() -> str:
    """The time, RFC 3339, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(data: bytes) -> None:
    """Write whole lines to standard error, without waiting for who reads them; see :class:`Sink`."""
    sink.write(data)
    if sink.untold and sink.flows:
        count, sink.untold = sink.untold, 0
        line("warning", "log_lines_dropped", lines=count, message="standard error was not read fast enough")


def pump() -> None:
    """Try again to write what could not be written; costs nothing when there is no such thing."""
    if sink.waiting and sink.pump():
        write(b"")


def close(patience: float = 1.0) -> None:
    """Before the process ends: wait for the reader, but not for ever."""
    sink.pump(patience)


def line(level: str, event: str, **fields: Any) -> None:
    """Write one line."""
    if getattr(logging, level.upper()) < _level:
        return
    document = {"time": now(), "level": level, "event": event, "pid": os.getpid(), **context(), **fields}
    write(json.dumps(document, default=str, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


class Handler(logging.Handler):
    """Sends the ``logging`` of entry scripts and libraries the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A message that does not fit its arguments is told, as by Python's own handlers."""
        try:
            message = record.getMessage()
        except Exception as error:
            where = f"{record.pathname}, line {record.lineno}"
            message = f"{str(record.msg)[:200]!r} ({where}) does not fit its arguments: {type(error).__name__}"
        fields: dict[str, Any] = {"logger": record.name, "message": message}
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
        if len(self._rest) > LONGEST:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what is left of an unfinished line."""
        if self._rest:
            line("info", "print", message=self._rest)
            self._rest = ""


def after_fork() -> None:
    """In a worker, first: the lines that the front could not write yet are the front's."""
    global sink
    sink = Sink(patience=WORKER_PATIENCE)


def capture() -> None:
    """In a worker: ``print`` and ``logging`` become JSON lines, and raw writes to standard output go to the log."""
    os.dup2(STDERR, 1)
    sys.stdout = PrintStream()
    root = logging.getLogger()
    root.handlers[:] = [Handler()]
    root.setLevel(_level)
    logging.captureWarnings(True)
