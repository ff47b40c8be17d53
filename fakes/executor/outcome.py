"""How a job ended, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOG = "user_logs/std_log.txt"
LAST_LINES = 12


@dataclass(frozen=True)
class Outcome:
    """The end of a job: a status of run history, and an error when it failed."""

    status: str
    error: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == "Completed"


COMPLETED = Outcome("Completed")
CANCELED = Outcome("Canceled")


def failed(message: str, *, code: str = "UserError") -> Outcome:
    """A failure with a message."""
    return Outcome("Failed", {"code": code, "message": message, "details": []})


def exited(program: str, code: int, tail: bytes) -> Outcome:
    """A program ended with an exit code: the words are those of Azure's common runtime."""
    if code == 0:
        return COMPLETED
    what = f"was terminated by signal {-code}" if code < 0 else f"exited with status code {code}"
    # Without what the launcher's clean-up wrote after it.
    said = tail.decode("utf-8", "replace").partition("Cleaning up all outstanding Run operations")[0]
    lines = said.strip().splitlines()[-LAST_LINES:]
    return failed(
        f"Execution failed. User process '{program}' {what}. Please check log file '{LOG}' for error details. "
        f"Error: {chr(10).join(lines)}"
    )
