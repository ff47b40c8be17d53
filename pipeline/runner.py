"""The seam for what runs a pipeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pipeline import provenance
from pipeline.config import TEXTS, PipelineConfig, kind_of
from pipeline.documents import Document
from pipeline.errors import PipelineError, PipelineNotFound
from pipeline.graph import TRAINING, Pipeline
from pipeline.results import RESULT
from pipeline.schedules import Schedule, When
from registry.runs import RunState

R = TypeVar("R", bound=Document)
PROVENANCE = frozenset({"build_uri", "git_revision", "git_dirty", "lock_digest", "who"})
"""Fields of the configuration that say where the code comes from and who asked: those of a publication stay its own."""
LEAST = {"chunk_rows": 1}
"""What a number among the parameters must at least be."""
WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Mapping: "an object of JSON"}

Progress = Callable[[str], None]
"""Called with one line of text for a person."""


@dataclass(frozen=True)
class StepStatus:
    """One step of a run as it is now."""

    name: str
    state: RunState
    run_id: str | None = None
    """Its child run; of a reused step, the run that did the work."""
    started: datetime | None = None
    ended: datetime | None = None
    reused: str | None = None
    """Why it was not run again."""
    error: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PipelineStatus:
    """One run of a pipeline as it is now."""

    run_id: str
    pipeline: str
    state: RunState
    steps: tuple[StepStatus, ...]
    build_id: str | None = None
    published: str | None = None
    """Id of the published pipeline that was run, if one was."""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON document; times as RFC 3339 in UTC."""

        def time(value: datetime | None) -> str | None:
            return value.isoformat().replace("+00:00", "Z") if value else None

        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "state": self.state.value,
            "build_id": self.build_id,
            "published": self.published,
            "error": self.error,
            "steps": [
                {
                    "name": step.name,
                    "state": step.state.value,
                    "run_id": step.run_id,
                    "started": time(step.started),
                    "ended": time(step.ended),
                    "reused": step.reused,
                    "error": step.error,
                    "metrics": dict(step.metrics),
                }
                for step in self.steps
            ],
        }


@dataclass(frozen=True)
class PublishedPipeline:
    """A pipeline that was frozen under a build id."""

    id: str
    name: str
    build_id: str
    created: datetime
    endpoint: str
    """Where to submit it: an address, or locally the folder that holds it."""
    config: PipelineConfig
    """What its parameters are unless a submission says otherwise."""
    kind: str = "training"
    """Which of the kit's pipelines it is."""


class PipelineRunner(ABC):
    """Runs pipelines, and remembers those published."""

    @abstractmethod
    def submit(
        self,
        pipeline: Pipeline | PublishedPipeline,
        config: PipelineConfig | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        until: str | None = None,
        resume: str | None = None,
        start: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run and return its id at once.

        Parameters
        ----------
        pipeline : Pipeline or PublishedPipeline
        config : PipelineConfig, optional
            Of a :class:`Pipeline`. A published one brings its own.
        parameters : mapping, optional
            Fields of the configuration to set, those that the pipeline declares as its parameters.
        until : str, optional
            The last step to run.
        resume : str, optional
            A run of the same pipeline whose completed steps are not run again; the configuration defaults to that
            run's. So it does for a published pipeline, whose code and provenance stay its own.
        start : str, optional
            With `resume`: the first step to run again, completed or not; those before must have completed. By default
            the first that has not completed, or that depends on a setting which differs from that run's.
        tags : mapping, optional
            Of the run.

        Raises
        ------
        pipeline.errors.PipelineNotFound
            No such step or run.
        pipeline.errors.PipelineError
            A parameter that the pipeline does not declare, or a run to resume that is one of another pipeline, or
            that has other settings where those of a published one are frozen.
        """

    @abstractmethod
    def wait(self, run_id: str, *, timeout: float | None = None, progress: Progress | None = None) -> PipelineStatus:
        """Wait until a run ends, whatever its end. Raises ``PipelineNotFound``, ``PipelineTimeout``."""

    @abstractmethod
    def run(
        self,
        pipeline: Pipeline | PublishedPipeline,
        config: PipelineConfig | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        until: str | None = None,
        resume: str | None = None,
        start: str | None = None,
        tags: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> PipelineStatus:
        """Submit, wait, and raise what made a step fail.

        Interrupting it (``KeyboardInterrupt``) cancels the run and leaves no process behind. *Keep* is no failure: the
        run ends Completed and ``register`` says why it skipped (or Canceled with ``config.cancel_on_keep``).
        """

    @abstractmethod
    def status(self, run_id: str) -> PipelineStatus:
        """Read a run as it is now. Raises ``PipelineNotFound``."""

    @abstractmethod
    def logs(self, run_id: str, step: str | None = None) -> str:
        """What the steps (or one of them) wrote. Raises ``PipelineNotFound``."""

    @abstractmethod
    def cancel(self, run_id: str) -> PipelineStatus:
        """End a run. Raises ``PipelineConflict`` when it has ended already."""

    @abstractmethod
    def output(self, run_id: str, step: str, target: Path) -> Path:
        """Copy the output folder of a completed step to the path `target`, which must not exist.

        Raises
        ------
        pipeline.errors.PipelineNotFound
            No such run, or the step has not completed in it.
        """

    @abstractmethod
    def document(self, run_id: str, step: str) -> dict[str, Any]:
        """``result.json`` of a completed step. Raises ``PipelineNotFound``."""

    @abstractmethod
    def publish(self, pipeline: Pipeline, config: PipelineConfig, *, build_id: str) -> PublishedPipeline:
        """Freeze the pipeline, its code and its configuration under a build id.

        Raises
        ------
        pipeline.errors.PipelineConflict
            This build has published another content under this name already. The same content gives the same back.
        """

    @abstractmethod
    def published(self, name: str | None = None, *, build_id: str | None = None) -> Iterator[PublishedPipeline]:
        """Published pipelines, newest first."""

    def schedule(
        self,
        pipeline: str,
        name: str,
        when: When,
        *,
        experiment: str,
        command: str = "mlops pipeline run --published",
    ) -> Schedule:
        """Run the newest publication of a pipeline at times, or when data changes; the same name replaces.

        Parameters
        ----------
        pipeline, name : str
        when : pipeline.schedules.When
        experiment : str
            Where its runs belong to.
        command : str
            What does the same by hand; for the hint of a backend that keeps no schedules.

        Raises
        ------
        pipeline.errors.PipelineNotFound
            Nothing was published under this name.
        pipeline.errors.PipelineError
            The backend keeps no schedules, as those without a service of their own do not.
        """
        line = when.cron()
        raise PipelineError(
            "this backend keeps no schedules",
            hint=f"let cron do it: {line} cd PROJECT && {command}" if line else f"let something else start: {command}",
        )

    def schedules(self, pipeline: str) -> Iterator[Schedule]:
        """The schedules of a pipeline, by name. Raises ``PipelineNotFound``."""
        return iter(())

    def unschedule(self, pipeline: str, name: str) -> None:
        """End a schedule. Raises ``PipelineNotFound``."""
        raise PipelineNotFound(f"{pipeline} has no schedule {name!r}", hint="mlops pipeline schedule list")

    def find(self, name: str, build_id: str | None = None) -> PublishedPipeline:
        """The pipeline that a build published; ``None``: the newest. Raises ``PipelineNotFound``."""
        for item in self.published(name, build_id=build_id):
            return item
        by = f" by build {build_id!r}" if build_id else ""
        raise PipelineNotFound(f"no pipeline {name!r} was published{by}", hint="mlops pipeline publish")

    def result(self, run_id: str, step: str, kind: type[R]) -> R:
        """``result.json`` of a completed step as its class. Raises ``PipelineNotFound``."""
        return kind.from_json(self.document(run_id, step))


def with_parameters(pipeline: Pipeline, config: PipelineConfig, given: Mapping[str, Any]) -> PipelineConfig:
    """Set parameters of a pipeline.

    Raises
    ------
    pipeline.errors.PipelineError
        It does not declare one, or one is of another type or too small.
    """
    unknown = sorted(set(given) - set(pipeline.parameters))
    if unknown:
        raise PipelineError(
            f"pipeline {pipeline.name} has no parameter {', '.join(unknown)}",
            hint=f"its parameters: {', '.join(pipeline.parameters)}",
        )
    for name, value in given.items():
        kinds = kind_of(name)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise PipelineError(f"parameter {name} must be {WORDS[kinds[0]]}, not {value!r}")
        if name in LEAST and isinstance(value, int) and value < LEAST[name]:
            raise PipelineError(f"parameter {name} must be at least {LEAST[name]}, not {value!r}")
    return replace(config, **given)


def check_resumed(pipeline: Pipeline, earlier: PipelineStatus) -> None:
    """Refuse to resume a run of another pipeline: neither its settings nor its outputs mean the same here.

    Raises
    ------
    pipeline.errors.PipelineError
        It is one.
    """
    if earlier.pipeline == pipeline.name:
        return
    names = {step.name for step in earlier.steps}
    if names <= {step.name for step in TRAINING.steps}:
        hint = f"mlops pipeline run --resume {earlier.run_id} --set pipeline.name={earlier.pipeline}"
    else:
        hint = "tables are scored anew: mlops batch --published"
    raise PipelineError(
        f"run {earlier.run_id} is one of pipeline {earlier.pipeline}, not of {pipeline.name}: it is not resumed",
        hint=hint,
    )


def resumed_config(earlier: PipelineConfig, project: Path) -> PipelineConfig:
    """The settings of a run that is resumed with the code of `project`, where it has been mended maybe."""
    revision, dirty = provenance.git(project)
    lock = provenance.lock_digest(project) if earlier.lock_digest else None
    return replace(earlier, git_revision=revision, git_dirty=dirty, lock_digest=lock)


def first_changed(pipeline: Pipeline, earlier: PipelineConfig | None, config: PipelineConfig) -> str | None:
    """The first step whose result depends on a setting that a resumed run has changed, if there is one."""
    if earlier is None:
        return None
    changed = (step.name for step in pipeline.steps if step.settings(earlier) != step.settings(config))
    return next(changed, None)


def resumed_parameters(
    pipeline: Pipeline,
    published: PublishedPipeline,
    run_id: str,
    earlier: PipelineConfig,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """The parameters that let a publication go on with the settings of an earlier run, except where `given` says else.

    Raises
    ------
    pipeline.errors.PipelineError
        The settings differ in what is frozen with the publication.
    """
    differing = {
        item.name: getattr(earlier, item.name)
        for item in fields(PipelineConfig)
        if item.name not in PROVENANCE
        and item.name not in given
        and getattr(earlier, item.name) != getattr(published.config, item.name)
    }
    # A text that is empty is one that is not set: no run of a publication can be given it.
    frozen = [
        name for name, value in differing.items() if name not in pipeline.parameters or (name in TEXTS and not value)
    ]
    if frozen:
        raise PipelineError(
            f"run {run_id} has another {', '.join(frozen)} than {pipeline.name} as build {published.build_id} published"
            " it, where that is frozen",
            hint=f"mlops pipeline run --resume {run_id}; or publish these settings: mlops pipeline publish",
        )
    return differing


def read_result(folder: Path, kind: type[R]) -> R:
    """``result.json`` in an output folder."""
    return kind.read(folder / RESULT)
