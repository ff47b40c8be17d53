"""The backend that runs on this machine."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from mlops.backend import Backend

if TYPE_CHECKING:
    from deploy.images import ImageBuilder
    from deploy.services import Services
    from deploy.targets import LocalTarget
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

        return self.signed(FileModelRegistry(self.state / "registry"))

    @cached_property
    def runs(self) -> RunHistory:
        from registry.files.runs import FileRunHistory

        return FileRunHistory(self.state / "runs")

    @cached_property
    def data(self) -> DataSets:
        from registry.files.data import FileDataSets

        return FileDataSets(self.state / "data")

    @cached_property
    def _target(self) -> LocalTarget:
        from deploy.targets import LocalTarget

        minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
        lock = self.project / "requirements" / "locks" / f"score-{minor}.txt"
        return LocalTarget(
            self.state,
            wanted=self.settings["services.target"],
            python=minor,
            base_image=self.settings["image.base"] or None,
            lock=lock if lock.is_file() else None,
            progress=self.progress,
        )

    @property
    def target_reason(self) -> str:
        choice = self._target.choice
        what = "containers" if choice.name == "docker" else "processes of this machine"
        return f"services are {what}: {choice.reason}"

    @cached_property
    def images(self) -> ImageBuilder | None:
        return self._target.images()

    @cached_property
    def services(self) -> Services:
        return self._target.services()

    @cached_property
    def pipelines(self) -> PipelineRunner:
        from pipeline.graph import BATCH, TRAINING
        from pipeline.local.container import Container
        from pipeline.local.executors import Executor, Seams, Subprocess
        from pipeline.local.runner import LocalRunner

        # Steps and background runs are processes of their own: they must find the same backend and state.
        env = {"MLOPS_BACKEND": self.name, "MLOPS_STATE": str(self.state.resolve())}
        executor: Executor = Subprocess(self.project, env=env)
        if self.settings["train.compute"] == "docker":
            base = self.settings["image.base"] or None
            executor = Container(self.project, self.state, self.state / "cache", env=env, base_image=base)
        return LocalRunner(
            Seams(self.registry, self.runs, self.data),
            self.state / "pipelines",
            project=self.project,
            executor=executor,
            allow_reuse=self.settings["pipeline.allow_reuse"],
            env=env,
            pipelines=(
                TRAINING.named(self.settings["pipeline.name"]),
                BATCH.named(self.settings["batch.pipeline"]),
            ),
        )

    def checks(self) -> list[Check]:
        from deploy.errors import DeployError
        from mlops.checks import Check

        try:
            choice = self._target.choice
        except DeployError as error:
            return [Check("services", "missing", str(error), error.hint or "")]
        mend = "start Docker for containers; processes need nothing" if choice.name == "process" else ""
        return [Check("services", "ok" if choice.name == "docker" else "note", self.target_reason, mend)]
