"""Files that are whole or not there, whatever ends the process or the machine, and a lock that ends with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import PipelineConflict


def replace_text(path: Path, text: str) -> None:
    """Replace a file by `text`, whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.write_text(text, encoding="utf-8")
        put(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def put(written: Path, target: Path) -> None:
    """Put a file that was written beside its place there. What was there before goes when the new one is durable."""
    sync(written)
    written.replace(target)
    # Not every file system can (some that are mounted over a network): the file itself is durable all the same.
    with contextlib.suppress(OSError):
        sync(target.parent)


def sync(path: Path) -> None:
    """Make the bytes of a file durable, or the names in a folder."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which is there no longer than the work.

    Raises
    ------
    pipeline.errors.PipelineConflict
        Another process holds it; `what` says what that works on.
    """
    while True:
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PipelineConflict(
                    f"another process is working on {what}", hint="wait until it has ended, or end it"
                ) from None
            except OSError:  # a file system without locks
                pass
            if not _names(path, file.fileno()):
                continue  # whoever held it has removed it meanwhile
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _names(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
