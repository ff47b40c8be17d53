"""The seam for data sets: named, versioned files or folders with digest and profile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.models import Collected


@dataclass(frozen=True)
class DataSetVersion:
    """One immutable version of a data set."""

    name: str
    version: int
    digest: str
    """``sha256:<hex>``, as for model artifacts."""
    size: int
    created: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    """JSON document: what the training data looked like (see ``model``)."""

    @property
    def reference(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


class DataSets(ABC):
    """All data sets of a project."""

    @abstractmethod
    def register(
        self,
        name: str,
        path: Path,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> DataSetVersion:
        """Store a copy of `path` as the next version; content equal to the newest version gives that one back."""

    @abstractmethod
    def get(self, name: str, version: int | None = None) -> DataSetVersion:
        """Read one version (``None``: the newest). Raises ``NotFound``, ``Corrupt``."""

    @abstractmethod
    def versions(self, name: str | None = None) -> Iterator[DataSetVersion]:
        """Versions, newest first within a name."""

    @abstractmethod
    def download(self, name: str, version: int, target: Path) -> Path:
        """Copy into the folder `target`, verify the digest, return the path. As ``ModelRegistry.download``."""

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Remove what crashes left behind; see :meth:`registry.models.ModelRegistry.collect`."""
        return Collected()
