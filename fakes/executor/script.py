"""One script run: its folder, its process, its logs and outputs, its end in run history."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.core.tenancy import Workspace
from fakes.executor import outcome as ends
from fakes.executor import storage
from fakes.executor.environment import (
    base_environment,
    configured_variables,
    hiding,
    interpreter,
    run_variables,
)
from fakes.executor.jobs import Job
from fakes.executor.logs import Log
from fakes.executor.outcome import LOG, Outcome
from fakes.executor.process import ChildCanceled, run_child
from fakes.services.history.backend import HistoryBackend

# Folders whose files become artifacts of the run when it ends.
KEPT_FOLDERS = ("outputs", "logs")
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass
class Task:
    """What to run.

    Attributes
    ----------
    argv : sequence of str
        Program and arguments.
    folder : Path
        Where it runs: the snapshot was put there.
    configuration : mapping
        The run configuration as the client sent it.
    variables : dict
        Further variables (data paths, parameters).
    logs : sequence of str
        Artifacts that hold what it writes.
    """

    argv: Sequence[str]
    folder: Path
    configuration: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    logs: Sequence[str] = (LOG,)


def set_status(
    job: Job, workspace: Workspace, run_id: str, status: str, error: Mapping[str, Any] | None = None
) -> None:
    """Move a run on in run history."""
    with job.locked() as state:
        state.backend(HistoryBackend).of(workspace).set_status(run_id, status, error=error)


def command_line(configuration: Mapping[str, Any], python: str, arguments: Sequence[str]) -> list[str]:
    """Program and arguments of a configuration: ``command`` goes to a shell, ``script`` to Python."""
    command = configuration.get("command")
    if command:
        text = command if isinstance(command, str) else " ".join(str(part) for part in command)
        return ["bash", "-c", text]
    return [python, str(LAUNCHER), str(configuration.get("script")), *arguments]


def expand(arguments: Sequence[Any], variables: Mapping[str, str]) -> list[str]:
    """Arguments with ``$AZUREML_DATAREFERENCE_x`` and data set placeholders replaced by their values."""
    found = []
    for argument in arguments:
        text = str(argument)
        for prefix in ("DatasetConsumptionConfig:", "DatasetOutputConfig:"):
            name = text[len(prefix) :] if text.startswith(prefix) else None
            if name is not None and name in variables:
                text = variables[name]
        if text.startswith("$AZUREML_DATAREFERENCE_") and text[1:] in variables:
            text = variables[text[1:]]
        found.append(text)
    return found


def execute(job: Job, workspace: Workspace, run_id: str, task: Task) -> Outcome:
    """Run a task to its end: logs stream into artifacts, outputs are kept. Run history is moved by the caller.

    Raises
    ------
    JobGone
        The state ended meanwhile.
    """
    with job.locked() as state:
        history = state.backend(HistoryBackend).of(workspace)
        run = dict(history.run(run_id))
        experiment = history.experiment_by_id(run["experimentId"])["name"]
    environment = base_environment(job.state)
    environment |= configured_variables(task.configuration)
    environment |= run_variables(job.state, workspace, run, experiment)
    environment |= task.variables
    environment["PYTHONPATH"] = str(task.folder)
    hidden = hiding(job.state, task.configuration, interpreter(task.configuration), task.folder.parent / "hidden.json")
    argv = list(task.argv)
    if argv[1] == str(LAUNCHER):
        argv[1:1] = hidden.prefix
    programs = _programs(task.folder.parent / "bin", hidden.prefix)
    environment["PATH"] = os.pathsep.join([str(programs), environment["PATH"]])
    environment["HOME"] = str(_home(job))
    for name in KEPT_FOLDERS:
        (task.folder / name).mkdir(exist_ok=True)
    container = run["dataContainerId"]

    def append(data: bytes) -> None:
        with job.locked() as state:  # nothing of a deleted workspace's run gets into the next one
            for name in task.logs:
                storage.append_artifact(state, workspace, container, name, data)

    timeout = task.configuration.get("maxRunDurationSeconds")
    with Log(append) as log:
        try:
            code = run_child(
                job.background,
                argv,
                cwd=task.folder,
                env=environment,
                output=log.write,
                cancel=job.cancel,
                timeout=float(timeout) if timeout else None,
            )
            end = ends.exited(Path(task.argv[0]).name, code, log.tail)
        except ChildCanceled:
            log.line("The run was canceled.")
            end = ends.CANCELED
        except TimeoutError as error:
            end = ends.failed(f"The run was ended: {error} (maxRunDurationSeconds).")
        except OSError as error:
            end = ends.failed(f"Execution failed: {task.argv[0]} could not be started: {error}")
    keep_outputs(job, workspace, container, task.folder)
    return end


def _programs(folder: Path, prefix: Sequence[str]) -> Path:
    """A folder with a ``python`` that starts scripts by the launcher, for jobs that are commands."""
    folder.mkdir(parents=True, exist_ok=True)
    start = shlex.join([sys.executable, *prefix, str(LAUNCHER)])
    for name in ("python", "python3"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        program.chmod(0o755)
    return folder


def _home(job: Job) -> Path:
    folder = job.folder / "home"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_outputs(job: Job, workspace: Workspace, container: str, folder: Path) -> None:
    """Keep the files below ``outputs`` and ``logs`` as artifacts of the run."""
    held = storage.artifact_names(job.state, workspace, container)
    for root in KEPT_FOLDERS:
        for path in sorted(p for p in (folder / root).rglob("*") if p.is_file()):
            name = path.relative_to(folder).as_posix()
            # What the script uploaded by itself under the same name stays.
            if name not in held:
                storage.put_artifact(job.state, workspace, container, name, job.state.spool.copy(path))
