"""Export a store of models to one archive, and import one: while both are in use, with every digest verified."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from registry.artifacts import Artifact
from registry.errors import Conflict, Corrupt, NewerSchema, NotFound, RegistryError, Unavailable
from registry.files import archive, content, disk, documents
from registry.files.layout import ModelFolder
from registry.files.store import Store, Writer
from registry.files.versions import read_move, read_state, read_version
from registry.names import check_alias, check_name

_DOCUMENT = re.compile(r"models/([^/]+)/(versions|state|aliases/([^/]+))/([1-9][0-9]{0,9})\.json\Z")
_BLOB = re.compile(r"blobs/([0-9a-f]{64})\Z")
_ORDER = {"versions": 0, "state": 1, "aliases": 2}

# ---- export -----------------------------------------------------------------------------------------------------


def export_models(store: Store, folders: Iterable[ModelFolder], target: Path) -> int:
    """Write `target`; see :meth:`registry.models.ModelRegistry.export`."""
    if os.path.lexists(target):
        raise Conflict(f"{target} exists already", hint="choose another file")
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")
    count = 0
    try:
        with disk.guarded(f"write {target}"), store.publishing(reading=True), partial.open("xb") as file:
            found = [_snapshot(folder) for folder in folders]
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                header = documents.encode({"kind": store.kind, "exported": documents.write_time(documents.now())})
                _add(tar, "export.json", io.BytesIO(header), len(header))
                for texts, artifacts in found:
                    count += len(artifacts)
                    for name, text in texts:
                        _add(tar, name, io.BytesIO(text), len(text))
                _add_blobs(store, tar, [artifact for _, artifacts in found for artifact in artifacts])
            file.flush()
            os.fsync(file.fileno())
        with disk.guarded(f"write {target}"):
            os.link(partial, target)
            disk.sync_folder(target.absolute().parent)
    except Unavailable as error:
        if isinstance(error.__cause__, FileExistsError):
            raise Conflict(f"{target} exists already", hint="choose another file") from error
        raise
    finally:
        partial.unlink(missing_ok=True)
    return count


def _snapshot(folder: ModelFolder) -> tuple[list[tuple[str, bytes]], list[Artifact]]:
    """All documents of a model as they are at one moment, and the artifacts of its versions."""
    texts, artifacts = [], []
    with disk.locked(folder.lock, reading=True):
        for alias in folder.alias_names():
            for move in folder.moves(alias):
                path = folder.alias_log(alias).path(move.sequence)
                texts.append((f"aliases/{alias}/{move.sequence}.json", disk.read_file(path)))
        for number in range(1, folder.versions.last() + 1):
            texts.append((f"versions/{number}.json", disk.read_file(folder.versions.path(number))))
            if (state := folder.state(number)) is not None:
                texts.append((f"state/{number}.json", disk.read_file(folder.state_path(number))))
            if state is None or state[0] is None:
                artifacts.append(folder.artifact(number))
    texts.sort(key=lambda item: (_ORDER[item[0].split("/")[0]], item[0]))
    return [(f"models/{folder.path.name}/{name}", text) for name, text in texts], artifacts


def _add_blobs(store: Store, tar: tarfile.TarFile, artifacts: list[Artifact]) -> None:
    done = set()
    for artifact in artifacts:
        for file in artifact.files:
            if file.sha256 not in done:
                content.verify(store, file, f"blobs/{file.sha256}")
                with (store.blobs / file.sha256).open("rb") as stream:
                    _add(tar, f"blobs/{file.sha256}", stream, file.size)
                done.add(file.sha256)


def _add(tar: tarfile.TarFile, name: str, stream: io.BufferedIOBase, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    tar.addfile(entry, stream)


# ---- import -----------------------------------------------------------------------------------------------------


class _Incoming:
    """The documents of one model in an archive, checked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.texts: dict[tuple[str, str, int], bytes] = {}
        self.artifacts: list[Artifact] = []

    def check(self) -> None:
        """Read every document; numbers must be dense, and aliases name versions that are there."""
        logs: dict[tuple[str, str], list[int]] = {}
        for kind, alias, number in self.texts:
            logs.setdefault((kind, alias), []).append(number)
        for (kind, alias), numbers in logs.items():
            if kind != "state" and sorted(numbers) != list(range(1, len(numbers) + 1)):
                raise Corrupt(f"the archive does not hold all of {kind} {alias} of model {self.name!r}")
        readers = {key: _reader(key, self.name, text) for key, text in self.texts.items()}
        versions = logs.get(("versions", ""), [])
        if not versions:
            raise Corrupt(f"the archive holds no version of model {self.name!r}")
        spelled = check_name(readers["versions", "", 1].text("name"))
        if spelled.lower() != self.name:
            raise Corrupt(f"the archive keeps model {spelled!r} as {self.name!r}")
        self.name = spelled
        deleted = set()
        for (kind, alias, number), reader in readers.items():
            if kind == "state":
                if number not in versions:
                    raise Corrupt(f"{reader.where} belongs to a version that is not there")
                if read_state(reader, self.name, number)[0]:
                    deleted.add(number)
            elif kind == "aliases":
                move = read_move(reader, self.name, check_alias(alias), number)
                if move.to_version is not None and move.to_version not in versions:
                    raise Corrupt(f"{reader.where} names a version that is not there")
        for number in sorted(versions):
            artifact = read_version(readers["versions", "", number], self.name, number)[1]
            if number not in deleted:
                self.artifacts.append(artifact)


def _reader(key: tuple[str, str, int], name: str, text: bytes) -> documents.Reader:
    where = f"{'/'.join(str(part) for part in key if part)} of model {name!r} in the archive"
    return documents.Reader(documents.decode(text, where), where)


def import_models(store: Store, folder_of: Callable[[str], ModelFolder], source: Path) -> int:
    """Add what is in `source`; see :meth:`registry.models.ModelRegistry.import_`."""
    store.make()
    with disk.guarded(f"import {source}"), Writer(store) as writer:
        models, staged = _read_archive(store, writer, source)
        needed = {file.sha256: file.size for model in models for each in model.artifacts for file in each.files}
        sizes = {sha256: path.stat().st_size for path, sha256 in staged}
        for sha256, size in needed.items():
            if sizes.get(sha256) != size:
                raise Corrupt(f"{source} does not hold the content blobs/{sha256} that it names")
        with store.publishing():
            for model in models:
                _compare(folder_of(model.name), model)
            content.place(store, [(path, sha256) for path, sha256 in staged if sha256 in needed])
            return sum(_publish(store, folder_of(model.name), model) for model in models)


def _read_archive(store: Store, writer: Writer, source: Path) -> tuple[list[_Incoming], list[tuple[Path, str]]]:
    models: dict[str, _Incoming] = {}
    staged: list[tuple[Path, str]] = []
    header = None
    for name, size, stream in archive.entries(source):
        if found := _BLOB.match(name):
            target = writer.spare()
            if content.stage(stream, size, target) != found[1]:
                raise Corrupt(f"{source}: {name} does not match its digest")
            staged.append((target, found[1]))
        elif found := _DOCUMENT.match(name):
            try:
                check_name(found[1])
            except RegistryError as error:
                raise Corrupt(f"{source}: {error}") from None
            key = (found[2].split("/")[0], found[3] or "", int(found[4]))
            models.setdefault(found[1], _Incoming(found[1])).texts[key] = archive.text(stream, size, name)
        elif name == "export.json":
            header = documents.decode(archive.text(stream, size, name), f"{source}: export.json")
        else:
            raise Corrupt(f"{source}: {name!r} does not belong in an export")
    if header is None or header.get("kind") != store.kind:
        raise Corrupt(f"{source} is not an export of {store.kind}", hint="'mlops models export' writes one")
    for model in models.values():
        try:
            model.check()
        except RegistryError as error:
            raise Corrupt(f"{source}: {error}", hint=error.hint) from None
    return list(models.values()), staged


def _path(folder: ModelFolder, key: tuple[str, str, int]) -> Path:
    kind, alias, number = key
    if kind == "aliases":
        return folder.alias_log(alias).path(number)
    return folder.versions.path(number) if kind == "versions" else folder.state_path(number)


def _compare(folder: ModelFolder, model: _Incoming) -> None:
    """Refuse what is different here. Raises ``Conflict``."""
    spelled = folder.spelling()
    if spelled not in (None, model.name):
        raise Conflict(f"model {model.name!r} differs from {spelled!r} here only in case")
    for key, text in model.texts.items():
        path = _path(folder, key)
        if not _readable(folder, key):
            continue  # what is damaged here, the archive mends
        if disk.read_file(path) != text:
            raise Conflict(
                f"{_path(folder, key)} is not what the archive holds",
                hint="import into an empty registry, then compare",
            )


def _publish(store: Store, folder: ModelFolder, model: _Incoming) -> int:
    added = 0
    store.folder(folder.versions.folder)
    with disk.locked(folder.lock):
        _compare(folder, model)
        for key, text in sorted(model.texts.items(), key=lambda item: (_ORDER[item[0][0]], item[0])):
            path = _path(folder, key)
            store.folder(path.parent)
            with Writer(store) as writer:
                writer.write(text)
                if writer.publish(path):
                    added += key[0] == "versions"
                elif not _readable(folder, key):
                    writer.replace(path)
                elif disk.read_file(path) != text:
                    raise Conflict(f"{path} was made meanwhile by somebody else")
    return added


def _readable(folder: ModelFolder, key: tuple[str, str, int]) -> bool:
    kind, alias, number = key
    try:
        if kind == "versions":
            read_version(folder.document(number), folder.name, number)
        elif kind == "state":
            return folder.state(number) is not None
        else:
            folder.move(alias, number)
    except NewerSchema:
        return True
    except (NotFound, Corrupt):
        return False
    return True
