"""A submitted script run, from its acceptance to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError
from fakes.executor import bindings, outcome, storage
from fakes.executor.datasets import CannotRead
from fakes.executor.environment import Unreachable, interpreter
from fakes.executor.jobs import Job, JobGone, Jobs
from fakes.executor.outcome import Outcome
from fakes.executor.script import Task, command_line, execute, expand, set_status
from fakes.services.compute.models import Computes

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

WAIT_SECONDS = 0.1

# What can go wrong for reasons that the caller can mend; anything else is a mistake of the fake and named as one.
_KNOWN = (AzureError, CannotRead, Unreachable, storage.UnsafePath)


def start_script_run(
    state: State,
    workspace: Workspace,
    run_id: str,
    configuration: Mapping[str, Any],
    unpack: Callable[[State, Path], None],
) -> None:
    """Run a script in the background; `unpack` puts its files into a folder."""
    state.backend(Jobs).start(run_id, lambda job: _run(job, workspace, run_id, configuration, unpack))


def _run(
    job: Job,
    workspace: Workspace,
    run_id: str,
    configuration: Mapping[str, Any],
    unpack: Callable[[State, Path], None],
) -> None:
    end = guarded(lambda: _steps(job, workspace, run_id, configuration, unpack))
    set_status(job, workspace, run_id, end.status, end.error)


class NodeWait(Exception):
    """The job was canceled while it waited for a node."""


@contextlib.contextmanager
def on_compute(job: Job, workspace: Workspace, target: str | None) -> Iterator[None]:
    """Take a node of the compute target meanwhile; wait for one while all are busy.

    Raises
    ------
    NodeWait
        The job was canceled before it got one.
    """
    while not _take(job, workspace, target):
        if job.cancel.wait(WAIT_SECONDS):
            raise NodeWait
    try:
        yield
    finally:
        with contextlib.suppress(JobGone), job.locked() as state, contextlib.suppress(AzureError):
            state.backend(Computes).occupy(workspace, str(target), -1)


def _take(job: Job, workspace: Workspace, target: str | None) -> bool:
    with job.locked() as state:
        try:
            compute = state.backend(Computes).get(workspace, str(target))
        except AzureError:
            # Deleted meanwhile: what was accepted still runs.
            return True
        scale = compute.inner.get("scaleSettings")
        if scale and compute.busy >= max(1, int(scale["maxNodeCount"])):
            return False
        state.backend(Computes).occupy(workspace, compute.name, 1)
        return True


def guarded(work: Callable[[], Outcome]) -> Outcome:
    """Do `work`; what goes wrong becomes a failure with its reason."""
    try:
        return work()
    except JobGone:
        raise
    except NodeWait:
        return outcome.CANCELED
    except _KNOWN as error:
        message = error.message if isinstance(error, AzureError) else str(error)
        return outcome.failed(message)
    except Exception as error:
        return outcome.failed(f"The fake failed: {type(error).__name__}: {error}", code="FakeInternalError")


def _steps(
    job: Job,
    workspace: Workspace,
    run_id: str,
    configuration: Mapping[str, Any],
    unpack: Callable[[State, Path], None],
) -> Outcome:
    rule = job.state.transitions.get("run")
    if not job.hold(rule):
        return outcome.CANCELED
    if rule.failure is not None:
        return outcome.failed(rule.failure["message"], code=rule.failure["code"])
    with on_compute(job, workspace, configuration.get("target")):
        return _on_node(job, workspace, run_id, configuration, unpack)


def _on_node(
    job: Job,
    workspace: Workspace,
    run_id: str,
    configuration: Mapping[str, Any],
    unpack: Callable[[State, Path], None],
) -> Outcome:
    set_status(job, workspace, run_id, "Preparing")
    folder = job.folder / "code"
    folder.mkdir(parents=True, exist_ok=True)
    unpack(job.state, folder)
    bound = bindings.bind(job, workspace, run_id, configuration, job.folder)
    arguments = expand(configuration.get("arguments") or [], bound.variables)
    task = Task(
        command_line(configuration, interpreter(configuration), arguments), folder, configuration, bound.variables
    )
    if job.cancel.is_set():
        return outcome.CANCELED
    set_status(job, workspace, run_id, "Running")
    end = execute(job, workspace, run_id, task)
    if end.ok:
        set_status(job, workspace, run_id, "Finalizing")
        bindings.store_outputs(job, workspace, bound.outputs)
    return end
