"""The one switch: which adapters make up which backend.

Nothing else in the kit asks which backend it is; steps and commands receive the seams.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
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

    def __init__(self, settings: Settings, project: Path) -> None:
        self.settings = settings
        self.project = project

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


class LocalBackend(Backend):
    """Files, subprocesses, and local processes or Docker containers."""

    name = "local"

    @property
    def state(self) -> Path:
        """Where everything is kept."""
        folder = Path(str(self.settings["state"]))
        return folder if folder.is_absolute() else self.project / folder

    @cached_property
    def registry(self) -> ModelRegistry:
        from registry.files.models import FileModelRegistry

        return FileModelRegistry(self.state / "registry")

    @cached_property
    def runs(self) -> RunHistory:
        from registry.files.runs import FileRunHistory

        return FileRunHistory(self.state / "runs")

    @cached_property
    def data(self) -> DataSets:
        from registry.files.data import FileDataSets

        return FileDataSets(self.state / "data")

    @property
    def images(self) -> ImageBuilder | None:
        return None

    @cached_property
    def services(self) -> Services:
        from deploy.process import ProcessServices

        return ProcessServices(self.state / "services")

    @cached_property
    def pipelines(self) -> PipelineRunner:
        from pipeline.local.executors import Seams
        from pipeline.local.runner import LocalRunner

        return LocalRunner(
            Seams(self.registry, self.runs, self.data),
            self.state / "pipelines",
            project=self.project,
            allow_reuse=self.settings["pipeline.allow_reuse"],
        )

    def checks(self) -> list[Check]:
        return []


BACKENDS: dict[str, type[Backend]] = {"local": LocalBackend}


def open_backend(settings: Settings, project: Path) -> Backend:
    """The backend that the settings name; nothing is contacted yet."""
    return BACKENDS[settings["backend"]](settings, project)
