"""The seam for model versions: register, read, alias, promote, delete."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import EllipsisType
from typing import Any

from registry.errors import InvalidName, NotFound, RegistryError, Unavailable
from registry.names import check_name, check_version


@dataclass(frozen=True)
class Lineage:
    """Where a model version came from. Every field may be unknown (``None``)."""

    run_id: str | None = None
    experiment: str | None = None
    data: str | None = None
    """Data set reference, ``name:version``."""
    data_digest: str | None = None
    build_id: str | None = None
    build_uri: str | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None
    lock_digest: str | None = None
    python: str | None = None
    """Python minor version, such as ``3.11``."""
    platform: str | None = None
    code_digest: str | None = None
    """Digest of ``model/`` and ``score/`` as the training step saw them."""


@dataclass(frozen=True)
class ModelVersion:
    """One immutable version of a model.

    ``digest`` is ``sha256:<hex>`` over the artifact: see :func:`registry.digests.tree_digest`.
    """

    name: str
    version: int
    digest: str
    size: int
    """Bytes of all files of the artifact."""
    created: datetime
    description: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    aliases: tuple[str, ...] = ()
    """Aliases that named this version when it was read; sorted."""

    @property
    def reference(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class AliasMove:
    """One entry of the promotion log of an alias."""

    name: str
    alias: str
    sequence: int
    """1 for the first move of this alias, then dense."""
    when: datetime
    from_version: int | None
    to_version: int | None
    """``None``: the alias was removed."""
    who: str
    why: str


def clock() -> datetime:
    """This moment, UTC, as this machine sees it."""
    return datetime.now(timezone.utc)


def moment_after(before: AliasMove | None) -> datetime:
    """When the move after `before` is made: never before it, however far this machine's clock is behind the other's."""
    return max(clock(), before.when) if before else clock()


@dataclass
class Collected:
    """What :meth:`ModelRegistry.collect` removed, or would remove."""

    staged: list[str] = field(default_factory=list)
    """Files of writers that died."""
    blobs: list[str] = field(default_factory=list)
    """SHA-256 of content that nothing names any more."""
    bytes: int = 0
    """What that gives back."""
    alive: int = 0
    """Writers at work; their files were left alone."""
    problems: list[str] = field(default_factory=list)
    """Why content was not collected: documents that cannot be read may name it."""


@dataclass
class Verified:
    """What :meth:`ModelRegistry.verify` found."""

    versions: int = 0
    """Versions whose content was read and matches its digest."""
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    """One line each; empty when all is well."""


class ModelRegistry(ABC):
    """Versions are dense (1, 2, 3 ...), unique and immutable; the promotion log decides what an alias names."""

    @abstractmethod
    def register(
        self,
        name: str,
        artifact: Path,
        *,
        description: str = "",
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        lineage: Lineage | None = None,
    ) -> ModelVersion:
        """Store a copy of `artifact` (a file or a folder) as the next version. Moves no alias.

        Raises
        ------
        registry.errors.InvalidName
            The name or a tag is not allowed, or the artifact holds links or special files.
        registry.errors.NotFound
            There is nothing at `artifact`.
        registry.errors.Unavailable
            The store cannot be written.
        """

    @abstractmethod
    def get(self, name: str, version: int) -> ModelVersion:
        """Return one version. Raises ``NotFound``, ``Corrupt``, ``NewerSchema``."""

    @abstractmethod
    def latest(self, name: str) -> ModelVersion:
        """Return the highest version that is not deleted. Raises ``NotFound``."""

    @abstractmethod
    def versions(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, str | None] | None = None,
        limit: int | None = None,
    ) -> Iterator[ModelVersion]:
        """Versions, newest first within a name. A tag filter of ``None`` asks only that the tag is there."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names of all models, sorted."""

    @abstractmethod
    def download(self, name: str, version: int, target: Path) -> Path:
        """Copy the artifact into the folder `target` (made if missing), verify its digest, return its path.

        The path is ``target/<file or folder name as registered>``. Raises ``Conflict`` if that exists,
        ``Corrupt`` if the content does not match the digest (and then leaves nothing behind).
        """

    @abstractmethod
    def alias(self, name: str, alias: str) -> int | None:
        """The version that `alias` names now, or ``None``."""

    @abstractmethod
    def aliases(self, name: str) -> dict[str, int]:
        """All aliases of `name` that name a version now."""

    @abstractmethod
    def set_alias(
        self,
        name: str,
        alias: str,
        version: int | None,
        *,
        who: str,
        why: str,
        expect: int | EllipsisType | None = ...,
    ) -> AliasMove:
        """Append a move to the promotion log of `alias`.

        With `expect` given, the move happens only if the alias names that version (``None``: nothing) now,
        else ``AliasMoved``, which carries the winner. Raises ``NotFound`` if the version is not there.
        """

    @abstractmethod
    def history(self, name: str, alias: str | None = None) -> list[AliasMove]:
        """The promotion log, oldest first."""

    @abstractmethod
    def set_tags(self, name: str, version: int, tags: Mapping[str, str | None]) -> ModelVersion:
        """Merge `tags`; ``None`` removes one. Tags are the only part of a version that may change."""

    @abstractmethod
    def delete(self, name: str, version: int) -> None:
        """Delete a version. Its number is never given again. Raises ``InUse`` while an alias names it."""

    def verify(self, name: str | None = None) -> Verified:
        """Read all content, or that of one model, and compare it with its digests."""
        done = Verified()
        for version in self.versions(name):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    self.download(version.name, version.version, Path(folder))
                except RegistryError as error:
                    done.problems.append(str(error))
                else:
                    done.versions += 1
                    done.bytes += version.size
        return done

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove what crashes and deletions left behind. A backend that cleans up by itself has nothing to do."""
        return Collected()

    def export(self, target: Path) -> int:
        """Write everything to the archive `target`; safe while in use. Returns the number of versions.

        Raises
        ------
        registry.errors.Unavailable
            The backend has backups of its own, or `target` cannot be written.
        registry.errors.Conflict
            `target` exists.
        registry.errors.Corrupt
            Something cannot be read; nothing is left at `target`.
        """
        raise Unavailable("this backend cannot export: it has backups of its own")

    def import_(self, source: Path) -> int:
        """Add everything in the archive `source`, verifying every digest. Returns the number of versions added.

        Doing it again, or after a crash, adds what is missing.

        Raises
        ------
        registry.errors.Corrupt
            `source` is no export, or damaged; nothing was added.
        registry.errors.Conflict
            Something else has the same number here.
        registry.errors.Unavailable
            The backend cannot import, or cannot be written.
        """
        raise Unavailable("this backend cannot import: register the versions one by one")


def parse_version(text: str) -> int:
    """The version that a text such as ``3`` names. Raises ``InvalidName`` for ``03``, ``1e3``, ``latest``, ``-1``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and text == str(int(text))):
        raise InvalidName(f"{text[:40]!r} is not a version", hint="versions are 1, 2, 3 ...")
    return check_version(int(text))


def parse_reference(reference: str) -> tuple[str, int | None]:
    """Name and version of ``name`` or ``name:3``. Raises ``InvalidName``."""
    name, colon, number = reference.partition(":")
    return check_name(name), parse_version(number) if colon else None


def resolve(registry: ModelRegistry, reference: str) -> ModelVersion:
    """Return what ``name``, ``name:3`` or ``name@production`` names.

    Raises
    ------
    registry.errors.NotFound
        No such model, version or alias.
    registry.errors.InvalidName
        The reference has none of the three forms.
    """
    if "@" in reference:
        name, _, alias = reference.partition("@")
        found = registry.alias(name, alias)
        if found is None:
            raise NotFound(
                f"model {name!r} has no alias {alias!r}", hint=f"mlops models history {name} shows what was promoted"
            )
        return registry.get(name, found)
    name, version = parse_reference(reference)
    return registry.latest(name) if version is None else registry.get(name, version)
