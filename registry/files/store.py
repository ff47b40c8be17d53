"""One store: a folder with a format file, a staging area, content by digest, and a lock against collection.

::

    store.json        kind and schema_version
    blobs/<sha256>    content, stored once, never changed
    staging/          what is being written now; each writer locks its own files
    lock              held (shared) while something is published, held alone while leftovers are collected
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from registry.errors import Corrupt, Unavailable
from registry.files import disk, documents


class Store:
    """A folder that loses nothing.

    Parameters
    ----------
    root : pathlib.Path
        The folder; made at the first write.
    kind : str
        What is kept here: ``models``, ``runs`` or ``data``.
    folder : str
        Name of the folder below `root` for the readable documents.
    """

    def __init__(self, root: Path, kind: str, folder: str) -> None:
        self.root = Path(root).absolute()
        self.kind = kind
        self.blobs = self.root / "blobs"
        self.staging = self.root / "staging"
        self.documents = self.root / folder
        self._made: set[Path] = set()
        self._opened = False

    def open(self) -> bool:
        """Check the format file; ``False`` if there is no store yet.

        Raises
        ------
        registry.errors.NewerSchema, registry.errors.Corrupt
            It was made by a newer release, or is no store of this kind.
        """
        if self._opened:
            return True
        path = self.root / "store.json"
        # Documents come after store.json. Asked in this order, documents without it mean that it was lost.
        there = self.documents.is_dir()
        try:
            found = documents.decode(disk.read_file(path), str(path))
        except FileNotFoundError:
            if there:
                raise Corrupt(
                    f"{self.root} holds {self.documents.name}/ but no store.json",
                    hint="restore store.json from a backup, or export from the original",
                ) from None
            return False
        if found.get("kind") != self.kind:
            raise Corrupt(f"{self.root} is a store of {found.get('kind')!r}, not of {self.kind!r}")
        self._opened = True
        return True

    def make(self) -> None:
        """Make the store if it is not there, and refuse where the file system cannot give the guarantees."""
        if self._opened or self.open():
            return
        with disk.guarded(f"make a store at {self.root}"):
            self.root.mkdir(parents=True, exist_ok=True)
            for folder in (self.blobs, self.staging):
                disk.make_folders(folder, self.root)
            self._probe()
            with Writer(self) as writer:
                writer.write(documents.encode({"kind": self.kind}))
                writer.publish(self.root / "store.json")
            # The entry of the root itself; parents above it are the user's.
            disk.sync_folder(self.root.parent)
        if not self.open():
            raise Unavailable(f"{self.root} was removed while it was being made")

    def _probe(self) -> None:
        """Try exclusive links and locks once, with the kind of file that every write uses."""
        hint = "keep the store on a local file system with hard links and locks (ext4, XFS, Btrfs, APFS)"
        with Writer(self) as first:
            first.write(b"probe")
            trial = first.spare()
            os.link(first.path, trial)
            try:
                os.link(first.path, trial)
            except FileExistsError:
                pass
            else:
                raise Unavailable(f"the file system of {self.root} lets a link replace a file", hint=hint)
            other = os.open(first.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                raise Unavailable(f"the file system of {self.root} gives one lock to two holders", hint=hint)
            finally:
                os.close(other)

    def folder(self, path: Path) -> Path:
        """Make a folder of the store durably; quick after the first time in this process."""
        if path not in self._made:
            disk.make_folders(path, self.root)
            self._made.add(path)
        return path

    @contextmanager
    def publishing(self, *, reading: bool = False) -> Iterator[None]:
        """Hold off collection between the arrival of content and that of the document that names it."""
        with disk.locked(self.root / "lock", shared=True, reading=reading):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off everybody who publishes."""
        with disk.locked(self.root / "lock"):
            yield


class Writer:
    """Files of one write operation, first in ``staging/``, then published in one step.

    The document's own file is locked while the writer lives, so that a collector can tell leftovers from work in
    progress: ``<token>.json`` is made first and removed last; other files are ``<token>.<n>``.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._count = 0
        self._written = b""
        self._spares: list[Path] = []
        while True:
            self.token = os.urandom(8).hex()
            self.path = store.staging / f"{self.token}.json"
            try:
                self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:
                # git, and some tools that copy, leave empty folders out.
                store.root.stat()
                store.staging.mkdir(exist_ok=True)
                continue
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self.fd)
                continue
            if os.fstat(self.fd).st_nlink:
                return
            os.close(self.fd)  # a collector was between our open and our lock

    def write(self, data: bytes) -> None:
        """Make `data` the durable content of the document. Not after it was published."""
        in_place = len(data) == len(self._written)
        self._written = b""
        if not in_place:
            os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)
        disk.write_all(self.fd, data)
        if in_place:
            disk.sync_data(self.fd)
        else:
            os.fsync(self.fd)
        self._written = data

    def spare(self) -> Path:
        """Path of another file of this writer, not made yet."""
        self._count += 1
        path = self.store.staging / f"{self.token}.{self._count}"
        self._spares.append(path)
        return path

    def publish(self, target: Path) -> bool:
        """Let the document appear as `target`, durably; ``False`` if something is there already."""
        if not self.link(target):
            return False
        disk.sync_folder(target.parent)
        return True

    def link(self, target: Path) -> bool:
        """As :meth:`publish`, but the caller syncs the folder of `target`."""
        try:
            os.link(self.path, target)
        except FileExistsError:
            return False
        return True

    def replace(self, target: Path) -> None:
        """Let the document take the place of `target`, durably."""
        os.rename(self.path, target)
        disk.sync_folder(target.parent)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path in [*self._spares, self.path]:
            try:
                path.unlink()
            except OSError:
                pass  # published by rename, or left for the collector
        os.close(self.fd)
