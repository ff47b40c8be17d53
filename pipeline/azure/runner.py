"""The runner that submits to Azure Machine Learning and reads what became of it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.azure.graph import Compute, built, sending
from pipeline.azure.origin import GIVEN, PIPELINE, PUBLICATION, PUBLISHED, SETTINGS, STEPS, scheduled
from pipeline.azure.publishing import AzurePublications
from pipeline.azure.schedules import AzureSchedules
from pipeline.azure.step import EXIT_CODE, FROM, HINT, OUTPUT, REUSED, SAID, fetch
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict, PipelineError, PipelineNotFound, PipelineTimeout, StepFailed
from pipeline.graph import DECLARED, Pipeline, declared
from pipeline.results import RESULT
from pipeline.runner import (
    PipelineRunner,
    PipelineStatus,
    Progress,
    PublishedPipeline,
    StepStatus,
    check_resumed,
    first_changed,
    resumed_config,
    resumed_parameters,
    with_parameters,
)
from pipeline.schedules import Schedule, When
from registry.azure.blobs import BlobFolder
from registry.azure.runs import AzureRunHistory
from registry.azure.workspace import AzureWorkspace, quiet, translated
from registry.errors import NotFound, RegistryError, Unavailable
from registry.runs import RunInfo, RunState

POLL_SECONDS = 1.0
MOST_POLL_SECONDS = 10.0
"""A run that takes minutes is not looked at every second: each look is several requests, and Azure throttles."""
OUTAGE_SECONDS = 120.0
"""How long Azure may not answer, beyond what the SDK tries by itself, before waiting for a run is given up."""


class AzureRunner(PipelineRunner):
    """Runs pipelines on a compute cluster of the workspace.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    runs : registry.azure.runs.AzureRunHistory
    project : pathlib.Path
        The project whose code runs.
    compute : pipeline.azure.graph.Compute
    """

    def __init__(self, workspace: AzureWorkspace, runs: AzureRunHistory, project: Path, compute: Compute) -> None:
        self._workspace = workspace
        self._runs = runs
        self._project = project
        self._compute = compute
        self._publications = AzurePublications(workspace, project, compute)
        self._schedules = AzureSchedules(workspace)
        self._settings = BlobFolder(workspace, SETTINGS)

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
        published = pipeline if isinstance(pipeline, PublishedPipeline) else None
        if isinstance(pipeline, PublishedPipeline):
            pipeline = declared(pipeline.kind).named(pipeline.name)
        if resume is not None:
            check_resumed(pipeline, self.status(resume))
        asked = dict(parameters or {})
        earlier = self._config_of(resume, needed=config is None)
        if published:
            config = published.config
            if resume is not None and earlier is not None:
                asked |= resumed_parameters(pipeline, published, resume, earlier, asked)
        elif config is None and earlier is not None:
            config = resumed_config(earlier, self._project)
        config = with_parameters(pipeline, config or PipelineConfig(), asked)
        steps = pipeline.upto(until)
        if start is not None:
            self._check_start(pipeline, start, resume)
        else:
            start = first_changed(pipeline, earlier, config)
        control = {"resume": resume or "", "start": start or "", "until": until or ""}
        given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
        values = {**(given if published else {}), **{name: text for name, text in control.items() if text}}
        marks = self._marks(pipeline, config, resume, published, tags)
        marks[STEPS] = ",".join(step.name for step in steps)
        with sending(f"submitting {pipeline.name}"):
            from azureml.core import Experiment

            if published:
                run = self._publications.sdk(published).submit(
                    self._workspace.sdk, config.experiment, pipeline_parameters=values
                )
            else:
                with built(self._workspace, pipeline, steps, config, self._compute, self._project) as graph:
                    experiment = Experiment(self._workspace.sdk, config.experiment)
                    run = experiment.submit(graph, pipeline_parameters=values, tags=marks)
        try:
            with translated(f"submitting {pipeline.name}"):
                if published:
                    run.set_tags(marks)
                self._settings.create(f"{run.id}.json", json.dumps(config.to_json(), sort_keys=True).encode())
        except BaseException:
            with contextlib.suppress(Exception), quiet():  # nobody is told of this run: it must not go on
                run.cancel()
            raise
        return str(run.id)

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
        run_id = self.submit(
            pipeline, config, parameters=parameters, until=until, resume=resume, start=start, tags=tags
        )
        say = progress or (lambda line: None)
        try:
            say(f"submitted as run {run_id}")
            status = self.wait(run_id, timeout=timeout, progress=progress)
        except KeyboardInterrupt:
            # It may have ended meanwhile, or Azure not answer: the interrupt is what is told, after where the run is.
            try:
                with contextlib.suppress(PipelineConflict):
                    self.cancel(run_id)
            except Exception as error:
                say(f"run {run_id} may go on ({error}): mlops pipeline cancel {run_id}")
            raise
        for step in status.steps:
            if step.state is RunState.FAILED:
                said = self._info(step.run_id).tags if step.run_id else {}
                raise StepFailed(
                    step.error or f"step {step.name} failed",
                    step=step.name,
                    exit_code=int(said.get(EXIT_CODE, "1")),
                    logs="\n".join(self._log(run_id, step.name)[-20:]),
                    hint=said.get(HINT) or f"mlops pipeline logs {run_id} --step {step.name}",
                )
        if status.state is RunState.FAILED:
            raise PipelineError(f"run {run_id} failed: {status.error}", hint=f"mlops pipeline logs {run_id}")
        return status

    def wait(self, run_id: str, *, timeout: float | None = None, progress: Progress | None = None) -> PipelineStatus:
        say = progress or (lambda line: None)
        begun = time.monotonic()
        deadline = None if timeout is None else begun + timeout
        seen: dict[str, RunState] = {}
        silent: float | None = None
        while True:
            now = time.monotonic()
            left = float("inf") if deadline is None else deadline - now
            pause = min(max(POLL_SECONDS, (now - begun) / 30), MOST_POLL_SECONDS, max(left, 0.0))
            try:
                status = self.status(run_id)
            except Unavailable as error:
                # The run goes on whether it can be looked at or not.
                if silent is None:
                    silent = now
                    say(f"Azure does not answer, asking again: {error}")
                if now - silent >= OUTAGE_SECONDS or left <= 0:
                    hint = f"the run goes on: mlops pipeline wait {run_id}"
                    raise Unavailable(str(error), hint=f"{error.hint}; {hint}" if error.hint else hint) from error
                time.sleep(pause)
                continue
            silent = None
            for step in status.steps:
                if seen.get(step.name) is not step.state and step.state is not RunState.NOT_STARTED:
                    if step.name not in seen:
                        say(f"{step.name}: started")
                    seen[step.name] = step.state
                    if step.state.final:
                        for line in self._log(run_id, step.name):
                            say(f"{step.name}: {line}")
            if status.state.final:
                return status
            if left <= 0:
                raise PipelineTimeout(
                    f"run {run_id} has not ended within {timeout:g} s", hint=f"it goes on: mlops pipeline wait {run_id}"
                )
            time.sleep(pause)

    def status(self, run_id: str) -> PipelineStatus:
        info = self._info(run_id)
        children = {child.name: child for child in self._runs.search(parent=run_id)}
        said = self._said_of(info)
        names = [name for name in said.get(STEPS, "").split(",") if name] or list(children)
        return PipelineStatus(
            run_id=run_id,
            pipeline=said.get(PIPELINE, info.name),
            state=info.state,
            steps=tuple(_step(name, children.get(name)) for name in names),
            build_id=said.get("build_id"),
            published=said.get(PUBLISHED),
            error=info.error,
        )

    def logs(self, run_id: str, step: str | None = None) -> str:
        info = self._info(run_id)
        steps = self._step_runs(run_id)
        names = [name for name in self._said_of(info).get(STEPS, "").split(",") if name] or list(steps)
        if step is not None and step not in names:
            raise PipelineNotFound(f"run {run_id} has no step {step!r}", hint=f"its steps: {', '.join(names)}")
        parts = []
        for name in names if step is None else [step]:
            if name in steps:
                with translated(f"the log of {name}"):
                    text = _said(steps[name].get_stdout_log() or "")
                parts.append(text if step else "".join(f"{name}: {line}\n" for line in text.splitlines()))
        return "".join(parts)

    def cancel(self, run_id: str) -> PipelineStatus:
        status = self.status(run_id)
        if status.state.final:
            raise PipelineConflict(f"run {run_id} has ended: {status.state.value}")
        with translated(f"cancelling {run_id}"):
            self._sdk(run_id).cancel()
        return self.wait(run_id, timeout=300.0)

    def output(self, run_id: str, step: str, target: Path) -> Path:
        if target.exists():
            raise PipelineConflict(f"{target} exists already")
        # Of a bulky output no more is kept than the step's result: that is not the output.
        bulky = any(item.name == step and item.transient for each in DECLARED.values() for item in each.steps)
        completed = self._completed(run_id, step)
        if bulky or not fetch(self._runs, completed, target):
            raise PipelineNotFound(
                f"step {step!r} of run {run_id} kept no output", hint=f"mlops pipeline status {run_id}"
            )
        return target

    def document(self, run_id: str, step: str) -> dict[str, Any]:
        import tempfile

        completed = self._completed(run_id, step)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                path = self._runs.download(completed, OUTPUT + RESULT, Path(scratch) / RESULT)
            except NotFound:
                raise PipelineNotFound(f"step {step!r} of run {run_id} kept no result") from None
            document: dict[str, Any] = json.loads(path.read_bytes())
        return document

    def publish(self, pipeline: Pipeline, config: PipelineConfig, *, build_id: str) -> PublishedPipeline:
        return self._publications.publish(pipeline, config, build_id)

    def published(self, name: str | None = None, *, build_id: str | None = None) -> Iterator[PublishedPipeline]:
        return self._publications.search(name, build_id)

    def schedule(self, pipeline: str, name: str, when: When, *, experiment: str, command: str = "") -> Schedule:
        return self._schedules.create(pipeline, name, when, experiment)

    def schedules(self, pipeline: str) -> Iterator[Schedule]:
        return self._schedules.search(pipeline)

    def unschedule(self, pipeline: str, name: str) -> None:
        self._schedules.delete(pipeline, name)

    # ---- reading ----------------------------------------------------------------------------------------------------
    def _info(self, run_id: str) -> RunInfo:
        try:
            return self._runs.get(run_id)
        except NotFound as error:
            raise PipelineNotFound(f"there is no run {run_id!r}", hint="mlops runs list") from error

    def _said_of(self, info: RunInfo) -> dict[str, str]:
        """What tags say of a pipeline's run; before its first step has set them, what its publication says."""
        if PIPELINE in info.tags:
            return dict(info.tags)
        with translated(f"run {info.id}"):
            properties = dict(self._sdk(info.id).get_properties() or {})
        found = self._publications.by_id(str(properties.get(PUBLICATION)))
        if found is None:
            return dict(info.tags)
        steps = declared(found.kind).named(found.name).steps
        said = {PIPELINE: found.name, STEPS: ",".join(step.name for step in steps), PUBLISHED: found.id}
        return {**said, **info.tags} if scheduled(properties) else {**said, "build_id": found.build_id, **info.tags}

    def _sdk(self, run_id: str) -> Any:
        from azureml.core import Experiment
        from azureml.pipeline.core import PipelineRun

        return PipelineRun(Experiment(self._workspace.sdk, self._info(run_id).experiment), run_id)

    def _log(self, run_id: str, step: str) -> list[str]:
        """The lines of a step's log; a log that cannot be read must not hide what became of the step."""
        try:
            return self.logs(run_id, step).splitlines()
        except (PipelineError, RegistryError) as error:
            return [f"its log cannot be read now ({error}): mlops pipeline logs {run_id} --step {step}"]

    def _step_runs(self, run_id: str) -> dict[str, Any]:
        with translated(f"the steps of {run_id}"):
            return {str(step.name): step for step in self._sdk(run_id).get_steps()}

    def _completed(self, run_id: str, step: str) -> str:
        """The run of a completed step. Raises ``PipelineNotFound``."""
        for item in self.status(run_id).steps:
            if item.name == step and item.state is RunState.COMPLETED and item.run_id:
                return item.run_id
        raise PipelineNotFound(
            f"step {step!r} has not completed in run {run_id}", hint=f"mlops pipeline status {run_id}"
        )

    def _check_start(self, pipeline: Pipeline, start: str, resume: str | None) -> None:
        pipeline.step(start)
        if resume is None:
            raise PipelineError(f"to start at {start}, say which run completed the steps before it")
        for step in pipeline.upto(start)[:-1]:
            self._completed(resume, step.name)

    def _config_of(self, resume: str | None, *, needed: bool) -> PipelineConfig | None:
        """The settings of the run that is resumed; of one that was not submitted here, those that it was given."""
        if resume is None:
            return None
        info = self._info(resume)
        try:
            document = json.loads(self._settings.read(f"{info.id}.json"))
        except NotFound:
            document = {GIVEN: {}, PUBLISHED: self._said_of(info).get(PUBLISHED)}
        if GIVEN not in document:
            return PipelineConfig.from_json(document)
        found = self._publications.by_id(str(document[PUBLISHED]))
        if found is None and not needed:
            return None
        if found is None:
            raise PipelineError(
                f"run {resume} kept no settings to resume it with", hint="start anew: mlops pipeline run"
            )
        return with_parameters(declared(found.kind).named(found.name), found.config, document[GIVEN])

    def _marks(
        self,
        pipeline: Pipeline,
        config: PipelineConfig,
        resume: str | None,
        published: PublishedPipeline | None,
        tags: Mapping[str, str] | None,
    ) -> dict[str, str]:
        marks = {PIPELINE: pipeline.name, **config.tags, **(tags or {})}
        further = {
            "build_id": config.build_id,
            "resumes": resume,
            PUBLISHED: published.id if published else None,
            "caller_run_id": config.caller_run_id,
        }
        return {**marks, **{name: value for name, value in further.items() if value}}


def _step(name: str, run: RunInfo | None) -> StepStatus:
    if run is None:
        return StepStatus(name, RunState.NOT_STARTED)
    return StepStatus(
        name=name,
        state=run.state,
        run_id=run.tags.get(FROM, run.id),
        started=run.started,
        ended=run.ended,
        reused=run.tags.get(REUSED),
        # Shared work may have failed once and been done at the next try.
        error=None if run.state is RunState.COMPLETED else run.error,
        metrics=run.metrics,
    )


def _said(text: str) -> str:
    """The lines of a step's log that are for a person; the whole log where it has none."""
    lines = [line[len(SAID) :] for line in text.splitlines() if line.startswith(SAID)]
    return "".join(f"{line}\n" for line in lines) if lines else text
