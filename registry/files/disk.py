"""What the store asks of a file system: exclusive creation, atomic replacement, and durability when it says so.

Facts relied on (POSIX, and what ext4, XFS, Btrfs and APFS do): ``link`` fails with ``EEXIST`` when the target is there;
``rename`` replaces in one step; a name is durable only after ``fsync`` of its folder, a file's bytes only after
``fsync`` of the file; ``flock`` ends with its holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.errors import Corrupt, Unavailable

_CAUSES = {
    errno.EROFS: ("the file system is read-only", "a read-only copy can be read; writing needs the original"),
    errno.EACCES: ("permission denied", "check who owns the folder"),
    errno.EPERM: ("the operation is not permitted", "keep the store on a local file system with hard links"),
    errno.ENOSPC: ("no space left on the device", "free some space; 'mlops models gc' collects what is left over"),
    errno.EDQUOT: ("the disk quota is used up", "free some space; 'mlops models gc' collects what is left over"),
    errno.ENOTSUP: (
        "the file system cannot do this",
        "keep the store on a local file system with hard links and locks",
    ),
    errno.ENOLCK: ("the file system has no locks", "keep the store on a local file system with hard links and locks"),
    errno.EXDEV: ("the store spans several file systems", "keep the whole store on one file system"),
    errno.EMLINK: ("a file has too many links", "run 'mlops models gc'"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "choose a shorter name or a shorter folder"),
}


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn an ``OSError`` into ``Unavailable`` that says what was done, to what, and why it failed."""
    try:
        yield
    except OSError as error:
        cause, hint = _CAUSES.get(error.errno or 0, (error.strerror or str(error), None))
        where = f" ({error.filename})" if error.filename else ""
        raise Unavailable(f"could not {what}: {cause}{where}", hint=hint) from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_data(fd: int) -> None:
    """Make the bytes of a file durable whose size was durable before."""
    getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync


def make_folders(folder: Path, root: Path) -> None:
    """Make `folder` below `root`, durably, even where another process made a part of it and died before its sync."""
    missing = []
    level = folder
    while level != root:
        missing.append(level)
        level = level.parent
    for level in reversed(missing):
        try:
            level.mkdir(mode=0o755)
        except FileExistsError:
            pass
        sync_folder(level.parent)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data` (``os.write`` may write less)."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_file(path: Path | str, *, limit: int = 1 << 26) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    registry.errors.Corrupt
        It is a link or a special file, too large, or cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Corrupt(f"{path} is a symbolic link; the store has none") from None
        raise Corrupt(f"{path} cannot be read: {error.strerror}") from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise Corrupt(f"{path} is not a regular file")
        if info.st_size > limit:
            raise Corrupt(f"{path} has {info.st_size} bytes; at most {limit} are expected")
        data = os.read(fd, info.st_size + 1)
        while len(data) < info.st_size:
            more = os.read(fd, info.st_size - len(data) + 1)
            if not more:
                break
            data += more
        return data
    except OSError as error:
        raise Corrupt(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)


@contextmanager
def locked(path: Path, *, shared: bool = False, reading: bool = False) -> Iterator[None]:
    """Hold the lock file `path` (made if missing). The kernel releases it when its holder dies: no stale locks.

    With `reading`, a read-only copy needs no lock: nobody can change it.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if not reading or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        yield
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
