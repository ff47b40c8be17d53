"""The local runner: drives the steps of a run, records it, reuses what is unchanged, resumes what failed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict, PipelineError, PipelineNotFound
from pipeline.graph import DECLARED, Pipeline, declared
from pipeline.local import background
from pipeline.local.drive import Drive
from pipeline.local.executors import Executor, InProcess, Seams
from pipeline.local.publishing import Publications
from pipeline.local.reuse import ReuseIndex
from pipeline.local.state import LOG, RunRecord, StateFolder, StepRecord
from pipeline.results import RESULT
from pipeline.runner import (
    PipelineRunner,
    PipelineStatus,
    Progress,
    PublishedPipeline,
    check_resumed,
    first_changed,
    resumed_config,
    resumed_parameters,
    with_parameters,
)
from registry.runs import RunState


class LocalRunner(PipelineRunner):
    """Runs pipelines on this machine.

    Parameters
    ----------
    seams : Seams
        What the steps are given.
    work : Path
        Where runs, reusable outputs and published pipelines are kept.
    project : Path
        The project whose code runs.
    executor : Executor, optional
        Where a step runs; default: in this process.
    allow_reuse : bool
        Leave out steps that allow it and whose inputs have not changed.
    env : mapping, optional
        Variables for processes that it starts: they must find the same state.
    pipelines : iterable of Pipeline
        Those that a run in the background, or a resumed one, may name.
    """

    def __init__(
        self,
        seams: Seams,
        work: Path,
        *,
        project: Path,
        executor: Executor | None = None,
        allow_reuse: bool = True,
        env: Mapping[str, str] | None = None,
        pipelines: tuple[Pipeline, ...] = tuple(DECLARED.values()),
    ) -> None:
        self.seams = seams
        self.project = project
        self.executor = executor or InProcess()
        self.allow_reuse = allow_reuse
        self.env = dict(env or {})
        self.pipelines = {item.name: item for item in pipelines}
        self.state = StateFolder(work / "runs")
        self.reuse = ReuseIndex(work / "reuse")
        self.publications = Publications(work / "published", project, self.env)

    # ---- the seam ------------------------------------------------------------------------------------------------

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
        """Start a process that drives the run, and return."""
        record = self._prepare(pipeline, config, parameters, until, resume, start, tags)
        background.start(self, record)
        return record.run_id

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
        """Drive the run from this process; with a timeout, from another, so that it can go on after it."""
        record = self._prepare(pipeline, config, parameters, until, resume, start, tags)
        if timeout is None:
            return self.drive(record.run_id, progress=progress)
        background.start(self, record)
        try:
            status = self.wait(record.run_id, timeout=timeout, progress=progress)
        except KeyboardInterrupt:
            with contextlib.suppress(PipelineConflict):  # it has ended meanwhile
                self.cancel(record.run_id)
            raise
        background.raise_failure(self, status)
        return status

    def wait(self, run_id: str, *, timeout: float | None = None, progress: Progress | None = None) -> PipelineStatus:
        """Read the run's state until it is final."""
        return background.wait(self, run_id, timeout=timeout, progress=progress)

    def status(self, run_id: str) -> PipelineStatus:
        """Read the run's file."""
        return self.state.read(run_id).status()

    def logs(self, run_id: str, step: str | None = None) -> str:
        """Read the log files of the steps."""
        record = self.state.read(run_id)
        names = [item.name for item in record.records()]
        if step is not None and step not in names:
            raise PipelineNotFound(f"run {run_id} has no step {step!r}", hint=f"its steps: {', '.join(names)}")
        parts = []
        for name in names if step is None else [step]:
            path = self.state.folder(run_id) / name / LOG
            if path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                parts.append(text if step else "".join(f"{name}: {line}\n" for line in text.splitlines()))
        return "".join(parts)

    def cancel(self, run_id: str) -> PipelineStatus:
        """Ask the process that drives the run, and wait for it."""
        return background.cancel(self, run_id)

    def output(self, run_id: str, step: str, target: Path) -> Path:
        """Copy the output folder of a completed step."""
        if target.exists():
            raise PipelineConflict(f"{target} exists already")
        shutil.copytree(self._output(run_id, step), target)
        return target

    def document(self, run_id: str, step: str) -> dict[str, Any]:
        """Read ``result.json``."""
        document: dict[str, Any] = json.loads((self._output(run_id, step) / RESULT).read_bytes())
        return document

    def publish(self, pipeline: Pipeline, config: PipelineConfig, *, build_id: str) -> PublishedPipeline:
        """Copy code and configuration into a folder that carries the build id."""
        return self.publications.publish(pipeline, config, build_id)

    def published(self, name: str | None = None, *, build_id: str | None = None) -> Iterator[PublishedPipeline]:
        """Read the folders of published pipelines."""
        return self.publications.search(name, build_id)

    # ---- driving -------------------------------------------------------------------------------------------------

    def drive(self, run_id: str, *, progress: Progress | None = None) -> PipelineStatus:
        """Run a prepared run's steps from this process. Raises what a step raised."""
        record = self.state.write(replace(self.state.read(run_id), state=RunState.RUNNING.value, pid=os.getpid()))
        pipeline = self._pipeline(record.pipeline)
        executor = self.executor if record.root is None else self.publications.executor(Path(record.root))
        parent = self.seams.runs.open(run_id)
        return Drive(self, pipeline, record, parent, executor, progress or (lambda line: None)).steps()

    def _prepare(
        self,
        pipeline: Pipeline | PublishedPipeline,
        config: PipelineConfig | None,
        parameters: Mapping[str, Any] | None,
        until: str | None,
        resume: str | None,
        start: str | None,
        tags: Mapping[str, str] | None,
    ) -> RunRecord:
        earlier = self.state.read(resume) if resume else None
        settings = PipelineConfig.from_json(earlier.config) if earlier else None
        given = dict(parameters or {})
        publication, published, root = None, None, earlier.root if earlier else None
        if isinstance(pipeline, PublishedPipeline):
            publication, published, root = pipeline, pipeline.id, str(self.publications.source(pipeline.id))
            pipeline = declared(pipeline.kind).named(pipeline.name)
        if earlier is not None:
            check_resumed(pipeline, earlier.status())
        if publication is not None and config is None:
            config = publication.config
            if earlier is not None and settings is not None:
                given |= resumed_parameters(pipeline, publication, earlier.run_id, settings, given)
        if config is None and settings is not None:
            config = settings if root else resumed_config(settings, self.project)
        config = config or PipelineConfig()
        self.pipelines[pipeline.name] = pipeline
        config = with_parameters(pipeline, config, given)
        steps = pipeline.upto(until)
        if start is not None:
            self._check_start(pipeline, start, resume)
        elif settings is not None:
            start = first_changed(pipeline, settings, config)
        marks = {"pipeline": pipeline.name, **config.tags, **(tags or {})}
        marks |= {name: value for name, value in (("build_id", config.build_id), ("resumes", resume)) if value}
        if published:
            marks["published"] = published
        if config.caller_run_id:
            marks["caller_run_id"] = config.caller_run_id
        run = self.seams.runs.start(
            config.experiment, name=pipeline.name, parameters=_scalars(config.parameters), tags=marks
        )
        records = [StepRecord(step.name).to_json() for step in steps]
        return self.state.write(
            RunRecord(
                run.id, pipeline.name, config.to_json(), list(records), until=until, resume=resume,
                start=start, published=published,
                root=root,
            )
        )  # fmt: skip

    def _pipeline(self, name: str) -> Pipeline:
        found = self.pipelines.get(name)
        if found is None:
            raise PipelineNotFound(f"there is no pipeline {name!r}", hint=f"known: {', '.join(self.pipelines)}")
        return found.named(name)

    def _check_start(self, pipeline: Pipeline, start: str, resume: str | None) -> None:
        pipeline.step(start)
        if resume is None:
            raise PipelineError(f"to start at {start}, say which run completed the steps before it")
        for step in pipeline.steps[: pipeline.steps.index(pipeline.step(start))]:
            self._output(resume, step.name)

    def _output(self, run_id: str, step: str) -> Path:
        for record in self.state.read(run_id).records():
            if record.name == step and record.state == RunState.COMPLETED.value and record.output:
                return Path(record.output)
        raise PipelineNotFound(
            f"step {step!r} has not completed in run {run_id}", hint=f"mlops pipeline status {run_id}"
        )


def _scalars(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if isinstance(value, (str, int, float, bool))}
