"""Where a step runs: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local.signals import interrupt_deferred
from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.documents import Document
from pipeline.errors import StepFailed
from pipeline.execute import execute
from pipeline.graph import TRAINING, Step

if TYPE_CHECKING:
    from registry.data import DataSets
    from registry.models import ModelRegistry
    from registry.runs import Run, RunHistory

KEPT_LINES = 50
ERROR = "error.json"
"""Beside the output folder: what a step in another process raised."""


class Cancelled(Exception):
    """Somebody asked for the run to end."""


@dataclass(frozen=True)
class Seams:
    """The seams that steps receive."""

    models: ModelRegistry
    runs: RunHistory
    data: DataSets


@dataclass(frozen=True)
class Order(Document):
    """What a step in another process is told, as a file."""

    step: str
    config: Mapping[str, object]
    inputs: Mapping[str, str]
    output: str
    run_id: str
    parent_id: str | None = None


@dataclass(frozen=True)
class Task:
    """One step to run now."""

    step: Step
    config: PipelineConfig
    inputs: Mapping[str, Path]
    output: Path
    run: Run
    parent: Run
    progress: Callable[[str], None]
    cancelled: Callable[[], bool] = field(default=lambda: False)


class Executor(ABC):
    """Runs one step and returns when it is done. Raises what the step raised, or ``Cancelled``."""

    @abstractmethod
    def run(self, task: Task, seams: Seams) -> None:
        """The step writes ``result.json`` into ``task.output``."""


class InProcess(Executor):
    """Runs steps in this process: the quickest, and the easiest to debug."""

    def run(self, task: Task, seams: Seams) -> None:
        """Call the step's function."""
        if task.cancelled():
            raise Cancelled
        context = StepContext(
            config=task.config,
            models=seams.models,
            runs=seams.runs,
            data=seams.data,
            run=task.run,
            parent=task.parent,
            inputs=task.inputs,
            output=task.output,
            progress=task.progress,
        )
        execute(task.step, context)


class Subprocess(Executor):
    """Runs each step in a process of its own, with a process group that goes as a whole.

    Parameters
    ----------
    project : Path
        The project, whose settings and state the step uses.
    root : Path, optional
        The folder whose code runs (a published pipeline's copy); default: `project`.
    env : mapping, optional
        Variables that the step gets besides this process's.
    command : tuple of str, optional
        What runs a step; gets the order file appended.
    """

    def __init__(
        self,
        project: Path,
        *,
        root: Path | None = None,
        env: Mapping[str, str] | None = None,
        command: tuple[str, ...] | None = None,
    ) -> None:
        self.project = project
        self.root = root or project
        self.env = dict(env or {})
        self.command = command or (sys.executable, "-m", "mlops", "step", "--project", str(project), "--order")

    def run(self, task: Task, seams: Seams) -> None:
        """Start the process, pass its lines on, and turn its end into a result or an error."""
        order = write_order(task)
        path = os.pathsep.join(filter(None, [str(self.root), os.environ.get("PYTHONPATH")]))
        child: subprocess.Popen[bytes] | None = None
        try:
            with interrupt_deferred():  # a Ctrl-C between the start and this assignment would leave an orphan
                child = subprocess.Popen(
                    [*self.command, str(order)],
                    cwd=self.root,
                    env={**os.environ, **self.env, "PYTHONPATH": path},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            lines = follow(child, task)
        except BaseException:
            if child is not None:
                end_group(child)
            raise
        if child.returncode:
            raise failure(task, child.returncode, lines)


def follow(child: subprocess.Popen[bytes], task: Task) -> list[str]:
    """Pass a child's lines on until it ends; end its group on cancel or Ctrl-C. Returns the last lines."""
    if child.stdout is None:
        raise ValueError("the child was started without a pipe")
    last: list[str] = []

    def pass_on(raw: bytes) -> None:
        line = raw.decode("utf-8", errors="replace").rstrip("\r")
        last.append(line)
        del last[:-KEPT_LINES]
        task.progress(line)

    try:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            rest = b""
            while True:
                if task.cancelled():
                    raise Cancelled
                if not selector.select(timeout=0.1):
                    if child.poll() is not None:  # what it left behind may hold the pipe open
                        break
                    continue
                block = os.read(child.stdout.fileno(), 1 << 16)
                if not block:
                    break
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    pass_on(line)
            if rest:
                pass_on(rest)
        child.wait()
    except BaseException:
        end_group(child)
        raise
    finally:
        child.stdout.close()
    return last


def end_group(child: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """End a child's process group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        try:
            child.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def write_order(task: Task) -> Path:
    """Write what a step in another process is told, beside its output."""
    order = task.output.parent / "order.json"
    Order(
        task.step.name,
        task.config.to_json(),
        {name: str(path) for name, path in task.inputs.items()},
        str(task.output),
        task.run.id,
        task.parent.id,
    ).write(order)
    return order


def next_step(task: Task) -> str:
    """What to do about a step that failed and gives no hint of its own. Only training runs are resumed by a command."""
    if any(step.name == task.step.name for step in TRAINING.steps):
        return f"mend it; then: mlops pipeline run --resume {task.parent.id}"
    return f"mlops pipeline logs {task.parent.id} --step {task.step.name}"


def failure(task: Task, code: int, lines: list[str]) -> StepFailed:
    """The error of a step that ended with `code` in another process."""
    path = task.output.parent / ERROR
    logs = "\n".join(lines[-20:])
    try:
        document = json.loads(path.read_bytes())
        hint = document.get("hint") or next_step(task)
        return StepFailed(document["message"], step=task.step.name, exit_code=code, logs=logs, hint=hint)
    except (OSError, ValueError, KeyError):
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        last = f": {lines[-1]}" if lines else ""
        return StepFailed(
            f"step {task.step.name} {how}{last}", step=task.step.name, exit_code=1 if code < 0 else code, logs=logs
        )
