"""The one temporary folder of this process: everything that the fake writes lies below it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

_lock = threading.Lock()
_folder: Path | None = None


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def process_folder() -> Path:
    """Return the folder, made when it is first asked for and removed at exit.

    A forked child shares its parent's: the parent removes it.
    """
    global _folder
    with _lock:
        if _folder is None or not _folder.is_dir():
            _folder = Path(tempfile.mkdtemp(prefix="fakes-"))
            atexit.register(_remove, _folder, os.getpid())
        return _folder


def new_folder(prefix: str) -> Path:
    """Return a new folder below it."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=process_folder()))


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
