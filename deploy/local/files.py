"""Small files that survive a crash, and locks that end with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from deploy.errors import Invalid, StateUnavailable


def write_json(path: Path, document: Any) -> None:
    """Replace `path` by `document`, whole or not at all; readable by this user only.

    Raises
    ------
    deploy.errors.StateUnavailable
        The disk is full or the folder cannot be written; what was there before is untouched.
    """
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise StateUnavailable(
            f"cannot write {path}: {error.strerror or error}", hint="free disk space or mend the permissions of .mlops/"
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file; ``None`` if there is none.

    Raises
    ------
    deploy.errors.Invalid
        It is no JSON.
    deploy.errors.StateUnavailable
        It cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Invalid(f"{path} is damaged: {error}", hint=f"look at {path}, or remove it") from error
    except OSError as error:
        raise StateUnavailable(f"cannot read {path}: {error.strerror}", hint=f"look at {path}, or remove it") from error


def try_lock(path: Path) -> IO[str] | None:
    """Take the lock `path` without waiting; ``None`` if somebody holds it.

    The lock (``flock``) belongs to the open file: it ends when the last process that holds the file open ends, however
    that happens. So it also tells whether a program that inherited it still lives, with no process id to be mistaken
    for another's.
    """
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock `path`. Looking needs no right to write."""
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not see each other
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock `path`, waiting for it; for sections that take milliseconds."""
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a text file; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            size = file.tell()
            file.seek(max(0, size - max(4096, lines * 2000)))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:]) if lines > 0 else ""
