"""Read everything that a store of models holds, and say what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from registry.artifacts import Artifact
from registry.errors import NotFound, RegistryError
from registry.files import content, disk
from registry.files.layout import ModelFolder
from registry.files.store import Store
from registry.models import Verified
from registry.names import is_alias


def verify(store: Store, folders: Iterable[ModelFolder]) -> Verified:
    """Read every document and all content of models.

    Returns
    -------
    registry.models.Verified
        Problems name the file and what is wrong with it: unreadable or foreign documents, missing numbers, content that
        does not match its digest, aliases that name no version, files that do not belong there.
    """
    done = Verified()
    good: set[str] = set()
    for folder in folders:
        _strange(folder, done)
        for number, artifact in _live(folder, done.problems):
            if _content(store, f"{folder.name}:{number}", artifact, good, done):
                done.versions += 1
        for alias in folder.alias_names():
            _alias(folder, alias, done)
    return done


def references(folders: Iterable[ModelFolder], errors: list[RegistryError]) -> Iterator[str]:
    """SHA-256 of all content that versions name. What cannot be read is appended to `errors`."""
    for folder in folders:
        if folder.states.is_dir():
            # A deletion that another process made and did not sync must not be forgotten after its content is gone.
            disk.sync_folder(folder.states)
        for number in range(1, folder.versions.last() + 1):
            try:
                artifact = folder.artifact(number)
            except NotFound:
                continue
            except RegistryError as error:
                errors.append(error)
                continue
            yield from (file.sha256 for file in artifact.files)


def _live(folder: ModelFolder, problems: list[str]) -> Iterator[tuple[int, Artifact]]:
    for number in range(1, max(folder.versions.numbers(), default=0) + 1):
        try:
            yield number, folder.artifact(number)
        except NotFound:
            continue
        except RegistryError as error:
            problems.append(str(error))


def _content(store: Store, reference: str, artifact: Artifact, good: set[str], done: Verified) -> bool:
    well = True
    for file in artifact.files:
        if file.sha256 in good:
            continue
        try:
            content.verify(store, file, reference)
        except RegistryError as error:
            done.problems.append(str(error))
            well = False
        else:
            good.add(file.sha256)
            done.bytes += file.size
    return well


def _alias(folder: ModelFolder, alias: str, done: Verified) -> None:
    log = folder.alias_log(alias)
    last = None
    for number in range(1, max(log.numbers(), default=0) + 1):
        try:
            last = folder.move(alias, number)
        except RegistryError as error:
            done.problems.append(str(error))
    if last and last.to_version is not None:
        try:
            folder.version(last.to_version)
        except RegistryError as error:
            done.problems.append(f"alias {alias!r} of {folder.name!r} names a version that cannot be read: {error}")


def _strange(folder: ModelFolder, done: Verified) -> None:
    """Report files that nobody here wrote."""
    known = {"versions", "state", "aliases", "lock", ".tags"}
    done.problems += [
        f"{folder.path / name} does not belong there" for name in _names(folder.path) if name not in known
    ]
    for inner in (folder.versions.folder, folder.states):
        for name in _names(inner):
            number = name.removesuffix(".json")
            if name != ".last" and not (name.endswith(".json") and number.isdecimal() and str(int(number)) == number):
                done.problems.append(f"{inner / name} does not belong there")
    aliases = folder.path / "aliases"
    done.problems += [f"{aliases / name} does not belong there" for name in _names(aliases) if not is_alias(name)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
