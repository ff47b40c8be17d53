"""What the user sees: data on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

FORMATS = ("text", "json")


class Output:
    """Writes results and progress.

    Parameters
    ----------
    format : str
        ``text`` for people, ``json`` for programs: exactly one document on stdout.
    quiet : bool
        No progress.
    verbose : bool
        Tracebacks of unexpected errors, details of what is done.
    """

    def __init__(
        self,
        format: str = "text",
        *,
        quiet: bool = False,
        verbose: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.format = format
        self.quiet = quiet
        self.verbose = verbose
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stdout(self) -> TextIO:
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        return self._stderr or sys.stderr

    @property
    def live(self) -> bool:
        """Whether a person watches: bars and tables that redraw are welcome."""
        return self.stderr.isatty() and not self.quiet and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"

    def say(self, line: str) -> None:
        """One line of progress."""
        if not self.quiet:
            print(line, file=self.stderr, flush=True)

    def detail(self, line: str) -> None:
        """One line that only ``--verbose`` shows."""
        if self.verbose:
            print(line, file=self.stderr, flush=True)

    def emit(self, document: Mapping[str, Any] | Sequence[Any], text: str | None = None) -> None:
        """The result: `document` as JSON, or `text` (default: the document, indented) for people."""
        if self.format == "json" or text is None:
            print(json.dumps(document, indent=2, ensure_ascii=False, default=str), file=self.stdout, flush=True)
        elif text:
            print(text, file=self.stdout, flush=True)

    def table(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Rows as a JSON array, or as aligned columns for people."""
        rows = list(rows)
        if self.format == "json":
            self.emit(rows)
            return
        if not rows:
            self.say("there are none")
            return
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        print(_aligned([[column.upper().replace("_", " ") for column in columns], *cells]), file=self.stdout)

    def error(self, code: int, kind: str, message: str, hint: str | None = None, details: str | None = None) -> None:
        """An error for a person on stderr and, with JSON asked for, as the one document on stdout."""
        print(f"mlops: error: {message}", file=self.stderr)
        if details:
            print("\n".join(f"  | {line}" for line in details.rstrip().splitlines()), file=self.stderr)
        if hint:
            print(f"  next: {hint}", file=self.stderr, flush=True)
        if self.format == "json":
            print(error_document(code, kind, message, hint, details), file=self.stdout, flush=True)


def error_document(code: int, kind: str, message: str, hint: str | None = None, details: str | None = None) -> str:
    """An error as the one JSON document that a program reads."""
    body = {"code": kind, "exit_code": code, "message": message, "hint": hint, "details": details}
    return json.dumps({"error": body}, indent=2)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value) or "-"
    return str(value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
