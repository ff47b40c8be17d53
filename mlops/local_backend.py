"""The backend that runs on this machine."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from mlops.backend import Backend

if TYPE_CHECKING:
    from deploy.images import ImageBuilder
    from deploy.services import Services
    from mlops.checks import Check
    from pipeline.runner import PipelineRunner
    from registry.data import DataSets
    from registry.models import ModelRegistry
    from registry.runs import RunHistory


class LocalBackend(Backend):
    """Files, subprocesses, and local processes or Docker containers."""

    name = "local"

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
