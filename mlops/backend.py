"""What a backend is: the seams, each opened when it is first used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.settings import Settings

if TYPE_CHECKING:
    from deploy.images import ImageBuilder
    from deploy.services import Services
    from mlops.checks import Check
    from pipeline.runner import PipelineRunner
    from registry.data import DataSets
    from registry.models import ModelRegistry
    from registry.runs import RunHistory


class Backend(ABC):
    """The seams of one backend, each opened when it is first used."""

    name: str

    def __init__(self, settings: Settings, project: Path, progress: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        self.project = project
        self.progress = progress
        """Takes a line for a person about what takes long while a seam is opened."""

    @property
    def state(self) -> Path:
        """Where this machine keeps what the backend does on it."""
        folder = Path(str(self.settings["state"]))
        return folder if folder.is_absolute() else self.project / folder

    def signed(self, registry: ModelRegistry) -> ModelRegistry:
        """`registry`, signing what it registers and verifying what it gives back, if the settings say so."""
        from registry.signing import signed

        keys = {name: str(self.settings[f"signing.{name}"]) for name in ("private_key", "public_key")}
        paths = {name: str(self.project / key) if key else "" for name, key in keys.items()}
        return signed(registry, tool=str(self.settings["signing.tool"]), **paths)

    @property
    @abstractmethod
    def registry(self) -> ModelRegistry: ...

    @property
    @abstractmethod
    def runs(self) -> RunHistory: ...

    @property
    @abstractmethod
    def data(self) -> DataSets: ...

    @property
    @abstractmethod
    def images(self) -> ImageBuilder | None:
        """``None`` where services need no image (local processes)."""

    @property
    @abstractmethod
    def services(self) -> Services: ...

    @property
    @abstractmethod
    def pipelines(self) -> PipelineRunner: ...

    @abstractmethod
    def checks(self) -> list[Check]:
        """What ``mlops doctor`` finds out about this backend."""

    @property
    def target_reason(self) -> str:
        """Why services run where they run; one line for a person, empty where there is nothing to explain."""
        return ""
