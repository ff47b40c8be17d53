"""The content of artifacts on its way into the store by digest, and back out, verified."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any, BinaryIO

from registry.artifacts import Artifact, File, collect, special_file
from registry.errors import Conflict, Corrupt, InvalidName, Unavailable
from registry.files import disk
from registry.files.documents import Reader
from registry.files.store import Store, Writer
from registry.names import check_path, check_paths

_BLOCK = 1 << 20
_HEX = re.compile(r"[0-9a-f]{64}\Z")


def document(artifact: Artifact) -> dict[str, Any]:
    """An artifact as it is written in a version's document."""
    return {
        "artifact": {
            "files": [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in artifact.files],
            "kind": "folder" if artifact.folder else "file",
            "name": artifact.name,
        },
        "digest": artifact.digest,
        "size": artifact.size,
    }


def read(reader: Reader) -> Artifact:
    """Take an artifact out of a version's document. Raises ``Corrupt``; no path in it can lead outside."""
    inner = Reader(reader.table("artifact"), reader.where)
    kind, name = inner.text("kind"), inner.text("name")
    found = inner.document.get("files")
    if (
        kind not in ("file", "folder")
        or not isinstance(found, list)
        or not found
        or (kind == "file" and len(found) != 1)
    ):
        raise inner.bad("files")
    files = []
    for item in found:
        if not isinstance(item, dict):
            raise inner.bad("files")
        entry = Reader(item, reader.where)
        file = File(entry.text("path"), entry.text("sha256"), entry.number("size"))
        if not _HEX.match(file.sha256):
            raise entry.bad("sha256")
        files.append(file)
    try:
        check_path(name)
        check_paths([file.path for file in files])
    except InvalidName as error:
        raise Corrupt(f"{reader.where}: {error}") from None
    artifact = Artifact(name, kind == "folder", tuple(files))
    if "/" in name or artifact.digest != reader.text("digest") or artifact.size != reader.number("size"):
        raise Corrupt(f"{reader.where}: the digest or size does not match the files that it lists")
    return artifact


def take(store: Store, writer: Writer, path: Path) -> tuple[Artifact, list[tuple[Path, str]]]:
    """Copy an artifact into the staging area, reading and hashing each file once.

    Returns
    -------
    tuple of Artifact and list
        The artifact, and for each staged file its path and SHA-256, for :func:`place`.
    """
    name, folder, found = collect(path, store.root)
    files, staged = [], []
    for relative, source in found:
        target = writer.spare()
        file = File(relative, *_copy_in(source, target, path))
        files.append(file)
        staged.append((target, file.sha256))
    return Artifact(name, folder, tuple(files)), staged


def place(store: Store, staged: list[tuple[Path, str]], *, sync: bool = True) -> None:
    """Give staged content its name, durably. Content that is there already is replaced by equal, verified content.

    Without `sync`, the caller makes the names durable before it publishes a document that needs them. On a journaling
    file system that sync costs little once the document itself was synced.
    """
    store.folder(store.blobs)
    for source, sha256 in staged:
        os.rename(source, store.blobs / sha256)
    if sync:
        disk.sync_folder(store.blobs)


def _copy_in(source: Path, target: Path, artifact: Path) -> tuple[str, int]:
    """Copy, hash and sync one file. Returns its SHA-256 and its size."""
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidName(f"{source} of {artifact} cannot be read: {error.strerror}") from error
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise special_file(source, mode)
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            digest, size = hashlib.sha256(), 0
            while block := _read(fd, source):
                digest.update(block)
                size += len(block)
                disk.write_all(out, block)
            os.fsync(out)
        finally:
            os.close(out)
    finally:
        os.close(fd)
    return digest.hexdigest(), size


def stage(stream: BinaryIO, size: int, target: Path) -> str:
    """Copy `size` bytes of a stream into the staging area, durably. Returns their SHA-256."""
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    try:
        digest = hashlib.sha256()
        while size and (block := stream.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
            disk.write_all(out, block)
        os.fsync(out)
    finally:
        os.close(out)
    return digest.hexdigest()


def _read(fd: int, source: Path) -> bytes:
    try:
        return os.read(fd, _BLOCK)
    except OSError as error:
        raise InvalidName(f"{source} cannot be read: {error.strerror}") from error


def give(store: Store, artifact: Artifact, target: Path, reference: str) -> Path:
    """Copy an artifact into the folder `target`, verifying every byte; all or nothing.

    Raises
    ------
    registry.errors.Conflict
        ``target/<name>`` exists.
    registry.errors.Corrupt
        Content is missing or does not match its digest; nothing is left behind.
    registry.errors.Unavailable
        The target cannot be written.
    """
    final = Path(target) / artifact.name
    if os.path.lexists(final):
        raise Conflict(f"{final} exists already", hint="choose an empty folder")
    with disk.guarded(f"write to {target}"):
        Path(target).mkdir(parents=True, exist_ok=True)
        partial = Path(target) / f".{os.urandom(8).hex()}.partial"
        partial.mkdir()
    try:
        inside = partial / artifact.name
        for file in artifact.files:
            copy = inside / file.path if artifact.folder else inside
            with disk.guarded(f"write to {target}"):
                copy.parent.mkdir(parents=True, exist_ok=True)
            copy_out(store, file, copy, reference)
        with disk.guarded(f"write to {target}"):
            if artifact.folder:
                os.rename(inside, final)
            else:
                os.link(inside, final)
    except Unavailable as error:
        if os.path.lexists(final):
            raise Conflict(f"{final} exists already", hint="choose an empty folder") from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def copy_out(store: Store, file: File, target: Path, reference: str) -> None:
    """Copy one file out of the store and verify it. Raises ``Corrupt``, ``Unavailable``."""
    fd = _open_blob(store, file, reference)
    try:
        with disk.guarded(f"write {target}"):
            out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            verify_stream(fd, file, reference, out)
        finally:
            os.close(out)
    finally:
        os.close(fd)


def verify(store: Store, file: File, reference: str) -> None:
    """Read one stored file and compare its digest. Raises ``Corrupt``."""
    fd = _open_blob(store, file, reference)
    try:
        verify_stream(fd, file, reference, None)
    finally:
        os.close(fd)


def verify_stream(fd: int, file: File, reference: str, out: int | None) -> None:
    """Read `fd` to its end, copy it to `out`, and compare size and digest. Raises ``Corrupt``."""
    digest, size = hashlib.sha256(), 0
    while True:
        try:
            block = os.read(fd, _BLOCK)
        except OSError as error:
            raise Corrupt(f"{reference}: the content of {file.path} cannot be read: {error.strerror}") from error
        if not block:
            break
        digest.update(block)
        size += len(block)
        if size > file.size:
            break
        if out is not None:
            with disk.guarded(f"write a copy of {file.path}"):
                disk.write_all(out, block)
    if size != file.size or digest.hexdigest() != file.sha256:
        raise Corrupt(
            f"{reference}: the content of {file.path} does not match its digest (blobs/{file.sha256})",
            hint="register the artifact again or import a backup: equal content mends it",
        )


def _open_blob(store: Store, file: File, reference: str) -> int:
    try:
        return os.open(store.blobs / file.sha256, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Corrupt(
            f"{reference}: the content of {file.path} cannot be read: {error.strerror} (blobs/{file.sha256})",
            hint="register the artifact again or import a backup: equal content mends it",
        ) from error
