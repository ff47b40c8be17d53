"""Driving one local run: its steps in order, what is taken over from earlier runs, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import PipelineConfig
from pipeline.errors import StepFailed
from pipeline.fingerprint import fingerprint
from pipeline.graph import Pipeline, Step
from pipeline.local.executors import Cancelled, Executor, Task
from pipeline.local.reuse import Earlier
from pipeline.local.state import LOG, RunRecord, StepRecord, now
from pipeline.runner import PipelineStatus, Progress
from registry.digests import tree_digest
from registry.runs import Run, RunState

if TYPE_CHECKING:
    from pipeline.local.runner import LocalRunner


class Drive:
    """The driving of one run."""

    def __init__(
        self,
        runner: LocalRunner,
        pipeline: Pipeline,
        record: RunRecord,
        parent: Run,
        executor: Executor,
        progress: Progress,
    ) -> None:
        self.runner = runner
        self.pipeline = pipeline
        self.record = record
        self.parent = parent
        self.executor = executor
        self.progress = progress
        self.config = PipelineConfig.from_json(record.config)
        self.outputs: dict[str, Path] = {}
        self.gap = False
        """A step was not taken over from the run that is resumed: what follows it there followed another."""

    def steps(self) -> PipelineStatus:
        """Run what is to be run. Raises what a step raised."""
        try:
            for item in self.record.records():
                self._step(self.pipeline.step(item.name))
                if self.parent.info().state is RunState.CANCELED:  # a step may end the run: cancel_on_keep
                    return self._end(RunState.CANCELED, None)
        except (Cancelled, KeyboardInterrupt) as error:
            self.parent.cancel()
            status = self._end(RunState.CANCELED, "cancelled")
            if isinstance(error, KeyboardInterrupt):
                raise
            return status
        except BaseException as error:
            self.parent.fail(f"{type(error).__name__}: {error}")
            self._end(RunState.FAILED, str(error))
            raise
        self.parent.complete()
        return self._end(RunState.COMPLETED, None)

    def _step(self, step: Step) -> None:
        inputs = {name: self.outputs[name] for name in step.inputs}
        root = Path(self.record.root) if self.record.root else self.runner.project
        key = fingerprint(step, self.config, inputs, root) if step.allow_reuse else None
        if self._resumed(step):
            return
        self.gap = True
        if key and self.runner.allow_reuse and self._reused(step, key):
            return
        folder = self.runner.state.folder(self.record.run_id) / step.name
        output = folder / "output"
        output.mkdir(parents=True)
        child = self.parent.child(step.name, tags={"step": step.name})
        self._note(StepRecord(step.name, RunState.RUNNING.value, child.id, now()))
        log = folder / LOG
        try:
            with log.open("a", encoding="utf-8") as file:

                def say(line: str) -> None:
                    print(line, file=file, flush=True)
                    self.progress(f"{step.name}: {line}")

                say("started")
                self.executor.run(
                    Task(step, self.config, inputs, output, child, self.parent, say, self._cancelled), self.runner.seams
                )
        except BaseException as error:
            self._failed(step, child, log, error)
            raise
        child.upload(LOG, log)
        child.complete()
        info = self.runner.seams.runs.get(child.id)
        self.outputs[step.name] = output
        self._note(replace(self._of(step), state=RunState.COMPLETED.value, ended=now(), output=str(output),
                           metrics=dict(info.metrics)))  # fmt: skip
        if key:
            self.runner.reuse.add(key, Earlier(child.id, self.record.run_id, str(output), tree_digest(output)))

    def _failed(self, step: Step, child: Run, log: Path, error: BaseException) -> None:
        stopped = isinstance(error, (Cancelled, KeyboardInterrupt))
        child.upload(LOG, log)
        if stopped:
            child.cancel()
        else:
            child.fail(f"{type(error).__name__}: {error}")
        self._note(
            replace(
                self._of(step),
                state=(RunState.CANCELED if stopped else RunState.FAILED).value,
                ended=now(),
                error="cancelled" if stopped else str(error) or type(error).__name__,
                hint=getattr(error, "hint", None),
                exit_code=error.exit_code if isinstance(error, StepFailed) else None,
            )
        )

    def _resumed(self, step: Step) -> bool:
        """Take over what the run that is resumed has completed, up to its first gap."""
        if not self.record.resume or self.gap:
            return False
        start = self.record.start
        if start is not None and step not in self.pipeline.upto(start)[:-1]:
            return False
        before = self.runner.state.read(self.record.resume)
        for item in before.records():
            if item.name == step.name and item.state == RunState.COMPLETED.value and item.output and item.run_id:
                if not Path(item.output).is_dir():
                    return False
                self._take(step, item.run_id, Path(item.output), f"completed in run {before.run_id}")
                return True
        return False

    def _reused(self, step: Step, key: str) -> bool:
        earlier = self.runner.reuse.find(key)
        if earlier is None:
            return False
        reason = f"code, settings and inputs are unchanged since run {earlier.pipeline_run}"
        self._take(step, earlier.run_id, Path(earlier.output), reason)
        return True

    def _take(self, step: Step, run_id: str, output: Path, reason: str) -> None:
        earlier = self.runner.seams.runs.get(run_id)
        metrics = dict(earlier.metrics)
        with self.parent.child(step.name, tags={"step": step.name, "reused_from": run_id, "reason": reason}) as child:
            for run in (child, self.parent):
                run.log_parameters(earlier.parameters)
                for name, value in metrics.items():
                    run.log_metric(name, value)
        self.outputs[step.name] = output
        time = now()
        self._note(
            StepRecord(
                step.name, RunState.COMPLETED.value, run_id, time, time, reason, output=str(output), metrics=metrics
            )
        )
        self.progress(f"{step.name}: reused: {reason}")

    def _cancelled(self) -> bool:
        return self.runner.state.asked_to_cancel(self.record.run_id)

    def _of(self, step: Step) -> StepRecord:
        return next(item for item in self.record.records() if item.name == step.name)

    def _note(self, record: StepRecord) -> None:
        self.record = self.runner.state.write(self.record.with_step(record))

    def _end(self, state: RunState, error: str | None) -> PipelineStatus:
        # An interruption may have come between the start of a step's run and its record.
        for left in self.runner.seams.runs.search(self.config.experiment, parent=self.parent.id):
            if not left.state.final:
                self.runner.seams.runs.open(left.id).cancel()
        for record in self.record.records():
            if record.state == RunState.RUNNING.value:
                self._note(replace(record, state=RunState.CANCELED.value, ended=now()))
        self.record = self.runner.state.write(replace(self.record, state=state.value, error=error))
        return self.record.status()
