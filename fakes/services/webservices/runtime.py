"""The processes behind services: one for each deployment, kept beside the state and never exported."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.core.folders import new_folder
from fakes.hosting.errors import HostError
from fakes.hosting.gate import Gate
from fakes.hosting.host import Host
from fakes.hosting.layout import Layout
from fakes.hosting.program import SCORE, HostRequest

if TYPE_CHECKING:
    from fakes.core.background import Background

LOG = "container.log"
INIT_LOG = "init.log"
# A container that ends this often right after it was started is not started again.
MAX_RESTARTS = 5
# What Kubernetes gives a pod that a rolling update replaces (terminationGracePeriodSeconds).
GRACE = 30.0


@dataclass
class Running:
    """One deployment's files, its process, and the queue before it."""

    folder: Path
    gate: Gate = field(default_factory=lambda: Gate(1))
    layout: Layout | None = None
    environment: dict[str, str] = field(default_factory=dict)
    host: Host | None = None
    program: str = SCORE
    python: str | None = None
    image: str | None = None
    options: tuple[str, ...] = ()
    hidden: Path | None = None
    lacking: str | None = None
    restarts: int = 0
    restarting: bool = False
    retired: bool = False
    replicas: int = 0
    scaled_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log_path(self) -> Path:
        """File with everything the container wrote."""
        return self.folder / LOG

    def log(self, name: str, lines: int) -> str:
        """Return the last lines of a log file in the folder."""
        try:
            text = (self.folder / name).read_bytes().decode("utf-8", "replace")
        except OSError:
            return ""
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


class Runtime:
    """Every running deployment of one state, by deployment id. Methods may wait: not for use under the state lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._running: dict[str, Running] = {}
        self._closed = False

    def get(self, deployment_id: str) -> Running | None:
        """Return what runs for a deployment."""
        with self._lock:
            return self._running.get(deployment_id)

    def add(self, deployment_id: str) -> Running:
        """Make the folder of a deployment."""
        with self._lock:
            if self._closed:
                raise HostError("the fake is being reset: no container is started any more")
            if self._folder is None:
                self._folder = new_folder("services")
            folder = self._folder / deployment_id
            folder.mkdir()
            running = self._running[deployment_id] = Running(folder)
            return running

    def start(self, running: Running, background: Background, workers: int = 1) -> Host:
        """Start the process of a deployment whose files are laid out."""
        layout = running.layout
        if layout is None:
            raise HostError("the container's files are not laid out")
        request = HostRequest(
            root=layout.root,
            entry_script=layout.entry_script,
            model_dir=layout.model_dir,
            environment=running.environment,
            program=running.program,
            python=running.python or sys.executable,
            workers=workers,
            image=running.image,
            options=running.options,
            hidden=running.hidden,
        )
        host = Host(request, running.log_path, spawn=background.spawn)
        with running.lock:
            running.host = host
            retired = running.retired
        if retired:
            host.stop()
        return host

    def retire(self, deployment_id: str, grace: float = 0.0) -> None:
        """Stop a deployment's process and remove its files; requests on their way to it get `grace` seconds."""
        waiting = self.get(deployment_id) if grace else None
        if waiting is not None:
            waiting.gate.drained(grace)  # still listed meanwhile, so that a reset ends it at once
        with self._lock:
            running = self._running.pop(deployment_id, None)
        if running is not None:
            with running.lock:
                running.retired = True
                host = running.host
            if host is not None:
                host.stop()
            shutil.rmtree(running.folder, ignore_errors=True)

    def restart_later(self, running: Running, background: Background, ready: Callable[[bool], None]) -> bool:
        """Start a container that ended again, in the background; False when that was tried too often."""
        with running.lock:
            if running.retired or running.restarting:
                return running.restarting
            if running.restarts >= MAX_RESTARTS:
                return False
            running.restarts += 1
            running.restarting = True

        def work() -> None:
            came_up = False
            try:
                host = self.start(running, background)
                host.wait_ready(600)
                came_up = True
            except (HostError, RuntimeError, OSError):
                came_up = False
            finally:
                with running.lock:
                    running.restarting = False
                ready(came_up)

        background.run("restart", work)
        return True

    def close(self) -> None:
        """Stop everything and remove every file."""
        with self._lock:
            self._closed = True
            ids, folder = list(self._running), self._folder
        for deployment_id in ids:
            self.retire(deployment_id)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
