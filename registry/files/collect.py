"""Find and collect what crashes and deletions left behind."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from registry.errors import RegistryError
from registry.files import disk
from registry.files.store import Store
from registry.models import Collected

_STAGED = re.compile(r"([0-9a-f]{16})\.(?:json|[0-9]+)\Z")
_BLOB = re.compile(r"[0-9a-f]{64}\Z")


def collect(
    store: Store,
    references: Callable[[list[RegistryError]], Iterable[str]],
    *,
    dry_run: bool = False,
    dead: Callable[[], Iterable[Path]] = tuple,
) -> Collected:
    """Remove files of dead writers, and content that no document names.

    Parameters
    ----------
    store : registry.files.store.Store
    references : callable
        Gives the SHA-256 of all content in use; appends to the list it is given what could not be read.
    dry_run : bool
        Change nothing.
    dead : callable
        Gives files, and folders that are empty without them, of what was never published; asked while nobody publishes.

    Raises
    ------
    registry.errors.Unavailable
        The store cannot be written.
    """
    done = Collected()
    if not store.open():
        return done
    with disk.guarded(f"collect leftovers of {store.root}"):
        _collect_staged(store, done, dry_run)
        with store.alone():
            for path in dead():
                _remove(path, done.staged, done, dry_run)
            errors: list[RegistryError] = []
            used = set(references(errors))
            done.problems = [str(error) for error in errors]
            if not errors:
                _collect_blobs(store, used, done, dry_run)
    return done


def _collect_staged(store: Store, done: Collected, dry_run: bool) -> None:
    writers: dict[str, list[Path]] = {}
    for path in store.staging.iterdir() if store.staging.is_dir() else ():
        if found := _STAGED.match(path.name):
            writers.setdefault(found[1], []).append(path)
    for token, paths in sorted(writers.items()):
        document = store.staging / f"{token}.json"
        fd = None
        try:
            fd = os.open(document, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            done.alive += 1
            if fd is not None:
                os.close(fd)
            continue
        except FileNotFoundError:
            pass  # a writer makes its document first and removes it last: this one died in a power loss, or has ended
        try:
            for path in sorted(paths, key=lambda path: path == document):
                _remove(path, done.staged, done, dry_run)
        finally:
            if fd is not None:
                os.close(fd)


def _collect_blobs(store: Store, used: set[str], done: Collected, dry_run: bool) -> None:
    for entry in os.scandir(store.blobs) if store.blobs.is_dir() else ():
        if _BLOB.match(entry.name) and entry.name not in used:
            _remove(Path(entry.path), done.blobs, done, dry_run)
    done.blobs.sort()


def _remove(path: Path, names: list[str], done: Collected, dry_run: bool) -> None:
    try:
        info = path.lstat()
        if not dry_run:
            path.rmdir() if stat.S_ISDIR(info.st_mode) else path.unlink()
    except FileNotFoundError:
        return
    names.append(path.name)
    if info.st_nlink == 1 and stat.S_ISREG(info.st_mode):
        done.bytes += info.st_size
