"""The seam for images: model version + entry script + code + lock -> image."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.errors import Invalid
from registry.models import ModelVersion

Progress = Callable[[str], None]
"""Called with one line of text for a person; never with secrets."""


_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*")


def check_repository(name: str) -> None:
    """Refuse what no registry takes as the name of a repository. Raises ``Invalid``."""
    if not _REPOSITORY.fullmatch(name):
        raise Invalid(
            f"{name!r} is no REGISTRY/NAME to push to",
            hint="lower case and without a tag, such as registry.example.com/team/diabetes",
        )


@dataclass(frozen=True)
class PackageRequest:
    """What goes into an image."""

    model: ModelVersion
    artifact: Path
    """The model's artifact on this machine, digest verified."""
    entry_script: Path
    """Such as ``score/score.py``, relative to `source`."""
    source: Path
    """Root of the project."""
    code: tuple[str, ...] = ("model",)
    """Folders below `source` that the pickled artifact refers to."""
    lock: Path = Path()
    """Hash-locked requirements for this model's Python minor."""
    base_image: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image that was built."""

    reference: str
    """Name and tag, such as ``diabetes:3-1a2b3c4d``."""
    digest: str
    """Content digest, ``sha256:<hex>``."""
    model: str
    """``name:version``."""
    model_digest: str
    size: int | None = None


class ImageBuilder(ABC):
    """Builds images; the same request gives the same content."""

    @abstractmethod
    def build(self, request: PackageRequest, *, progress: Progress | None = None) -> Image:
        """Check, then build. Raises ``PackageRefused``, ``EngineUnavailable``, ``DeployFailed`` (phase ``build``)."""

    @abstractmethod
    def push(self, image: Image, repository: str, *, progress: Progress | None = None) -> Image:
        """Push to ``REGISTRY/NAME``; the answer's reference names the registry."""
