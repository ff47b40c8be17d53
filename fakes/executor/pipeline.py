"""A pipeline run: its steps in order, each a child run, results reused where nothing changed."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from fakes.core.tenancy import Workspace
from fakes.executor import outcome
from fakes.executor.jobs import Job, JobGone, Jobs
from fakes.executor.outcome import Outcome
from fakes.executor.script import set_status
from fakes.executor.step import StepJob
from fakes.executor.submission import guarded
from fakes.services.pipelines import graphs
from fakes.services.pipelines.backend import PipelinesBackend

if TYPE_CHECKING:
    from fakes.core.state import State

PARALLEL = 4
SOME_FAILED = "Pipeline has some failed steps. See child run or execution logs for more details."


def start_pipeline_run(state: State, workspace: Workspace, run_id: str) -> None:
    """Run a pipeline in the background."""
    state.backend(Jobs).start(run_id, lambda job: PipelineJob(job, workspace, run_id).run())


class PipelineJob:
    """One pipeline run while it goes on."""

    def __init__(self, job: Job, workspace: Workspace, run_id: str) -> None:
        self.job = job
        self.workspace = workspace
        self.run_id = run_id
        with job.locked() as state:
            pipelines = state.backend(PipelinesBackend).of(workspace)
            self.entity: dict[str, Any] = dict(pipelines.entities.get("PipelineRuns", run_id))
            self.graph: dict[str, Any] = pipelines.entities.get("Graphs", self.entity["GraphId"])

    def run(self) -> None:
        """Run to the end."""
        end = guarded(self._steps)
        word = {"Completed": "Finished"}.get(end.status, end.status)
        with self.job.locked() as state:
            pipelines = state.backend(PipelinesBackend).of(self.workspace)
            for node_id, node in pipelines.nodes(self.run_id).items():
                if node["status"] in ("NotStarted", "Queued", "Running"):
                    pipelines.set_node(self.run_id, node_id, "Canceled")
            pipelines.set_run_status(self.run_id, word, detail=(end.error or {}).get("message"))
        set_status(self.job, self.workspace, self.run_id, end.status, end.error)

    def _steps(self) -> Outcome:
        rule = self.job.state.transitions.get("pipeline")
        if not self.job.hold(rule):
            return outcome.CANCELED
        if rule.failure is not None:
            return outcome.failed(rule.failure["message"], code=rule.failure["code"])
        with self.job.locked() as state:
            state.backend(PipelinesBackend).of(self.workspace).set_run_status(self.run_id, "Running")
        set_status(self.job, self.workspace, self.run_id, "Running")
        needs = {node_id: graphs.upstream(self.graph, node_id) for node_id in graphs.ordered(self.graph)}
        done: dict[str, Outcome] = {}
        running: set[str] = set()
        ended: queue.Queue[tuple[str, Outcome]] = queue.Queue()
        while True:
            for node_id in self._ready(needs, done, running):
                running.add(node_id)
                self._launch(node_id, ended)
            if not running:
                break
            node_id, end = ended.get()
            running.discard(node_id)
            done[node_id] = end
        if self.job.cancel.is_set():
            return outcome.CANCELED
        return outcome.COMPLETED if all(end.ok for end in done.values()) else outcome.failed(SOME_FAILED)

    def _ready(self, needs: dict[str, set[str]], done: dict[str, Outcome], running: set[str]) -> list[str]:
        """Steps that can begin now: what they take is there, and nothing says to stop."""
        if self.job.cancel.is_set():
            return []
        if not self.entity["ContinueRunOnStepFailure"] and any(not end.ok for end in done.values()):
            return []
        ready = []
        for node_id, upstream in needs.items():
            if node_id in done or node_id in running or not upstream <= done.keys():
                continue
            if all(done[other].ok for other in upstream):
                ready.append(node_id)
            else:
                self._set_node(node_id, "Canceled")
                done[node_id] = outcome.CANCELED
        return ready[: PARALLEL - len(running)]

    def _set_node(self, node_id: str, status: str) -> None:
        with self.job.locked() as state:
            state.backend(PipelinesBackend).of(self.workspace).set_node(self.run_id, node_id, status)

    def _launch(self, node_id: str, ended: queue.Queue[tuple[str, Outcome]]) -> None:
        self._set_node(node_id, "Queued")

        def body() -> None:
            end = outcome.CANCELED
            try:
                end = StepJob(self.job, self.workspace, self.entity, self.graph, node_id).run()
            except JobGone:
                pass
            finally:
                ended.put((node_id, end))

        self.job.background.run(f"step-{node_id}", body)
