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

    @property
    def target_reason(self) -> str:
        """Why services run where they run; one line for a person."""
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

    @cached_property
    def pipelines(self) -> PipelineRunner:
        from pipeline.graph import TRAINING
        from pipeline.local.executors import Seams, Subprocess
        from pipeline.local.runner import LocalRunner

        # Steps and background runs are processes of their own: they must find the same backend and state.
        env = {"MLOPS_BACKEND": self.name, "MLOPS_STATE": str(self.state.resolve())}
        return LocalRunner(
            Seams(self.registry, self.runs, self.data),
            self.state / "pipelines",
            project=self.project,
            executor=Subprocess(self.project, env=env),
            allow_reuse=bool(self.settings["pipeline.allow_reuse"]),
            env=env,
            pipelines=(TRAINING.named(str(self.settings["pipeline.name"])),),
        )

    def checks(self) -> list[Check]:
        from mlops.checks import docker_check

        return [docker_check()]
