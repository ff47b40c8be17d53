"""What an artifact may be: a file, or a folder of regular files with names that every system can store."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from registry import digests
from registry.errors import InvalidName, NotFound
from registry.names import check_path, check_paths

MAX_FILES = 100_000


@dataclass(frozen=True)
class File:
    """One file of an artifact."""

    path: str
    """Relative to the artifact; for an artifact that is one file, its name."""
    sha256: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """What an artifact consists of."""

    name: str
    """File or folder name as it was registered."""
    folder: bool
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """As :func:`registry.digests.tree_digest`."""
        if self.folder:
            return digests.combine({file.path: file.sha256 for file in self.files})
        return f"sha256:{self.files[0].sha256}"


def collect(path: Path, forbidden: Path | None = None) -> tuple[str, bool, list[tuple[str, Path]]]:
    """List the files of what is to be registered: its name, whether it is a folder, and relative paths.

    Raises
    ------
    registry.errors.NotFound
        There is nothing at `path`.
    registry.errors.InvalidName
        Links, special files, names that some systems cannot store, an empty folder, or a folder that holds the store.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  (links are refused, not followed)
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is nothing at {path}") from None
    except (OSError, ValueError) as error:
        raise InvalidName(f"{path} cannot be read: {error}") from error
    check_path(path.name)
    if stat.S_ISREG(info.st_mode):
        return path.name, False, [(path.name, path)]
    if not stat.S_ISDIR(info.st_mode):
        raise special_file(path, info.st_mode)
    if forbidden and forbidden.is_relative_to(path):
        raise InvalidName(f"{path} holds the store itself ({forbidden})", hint="register the folder of the model only")
    found: list[tuple[str, Path]] = []
    folders = [path]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise InvalidName(f"{folder} cannot be read: {error.strerror}") from error
        for entry in entries:
            if entry.is_symlink() or not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
                raise special_file(Path(entry.path), entry.stat(follow_symlinks=False).st_mode)
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            else:
                found.append((Path(entry.path).relative_to(path).as_posix(), Path(entry.path)))
        if len(found) > MAX_FILES:
            raise InvalidName(f"{path} holds more than {MAX_FILES} files", hint="register an archive of it")
    if not found:
        raise InvalidName(f"the folder {path} holds no files")
    check_paths([name for name, _ in found])
    return path.name, True, sorted(found)


def survey(path: Path) -> int:
    """Check an artifact as :func:`collect` does, and return the bytes of its files."""
    return sum(source.stat().st_size for _, source in collect(path)[2])


def special_file(path: Path, mode: int) -> InvalidName:
    """The error for what is neither a regular file nor a folder."""
    kinds = {stat.S_IFLNK: "symbolic link", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(mode), "device or special file")
    return InvalidName(
        f"{path} is a {kind}", hint="an artifact holds regular files and folders only: copy what it points to"
    )
