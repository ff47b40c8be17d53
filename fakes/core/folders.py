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
_above: Path | None = None
"""Of a forked child: the folder of the process that it comes from."""


def _after_fork() -> None:
    global _lock, _folder, _above
    _lock = threading.Lock()
    _folder, _above = None, _folder or _above


os.register_at_fork(after_in_child=_after_fork)


def process_folder() -> Path:
    """Return the folder, made when it is first asked for and removed at exit.

    A forked child has one of its own, which may go before the parent's does. It lies below the parent's: the parent
    removes what a child leaves that ends without a word (``os._exit``, as those of ``multiprocessing`` do).
    """
    global _folder
    with _lock:
        if _folder is None or not _folder.is_dir():
            where = _above if _above is not None and _above.is_dir() else None
            _folder = Path(tempfile.mkdtemp(prefix="fakes-", dir=where))
            atexit.register(_remove, _folder, os.getpid())
        return _folder


def new_folder(prefix: str) -> Path:
    """Return a new folder below it."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=process_folder()))


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
