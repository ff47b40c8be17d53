"""The jobs of a state that run now: each a thread that can be canceled."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.core.state import Backend

if TYPE_CHECKING:
    from fakes.core.state import State


class Jobs(Backend):
    """Running jobs by the id of their run. Gone on reset and exit, with their folders."""

    name = "jobs"

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._lock = threading.Lock()
        self._cancels: dict[str, threading.Event] = {}
        self._root: Path | None = None

    def start(self, job_id: str, work: Callable[[threading.Event], None]) -> None:
        """Run `work` in a thread; it is given the event that asks it to stop."""
        cancel = threading.Event()
        with self._lock:
            self._cancels[job_id] = cancel

        def body() -> None:
            try:
                work(cancel)
            finally:
                with self._lock:
                    self._cancels.pop(job_id, None)

        self.state.background.run(f"job-{job_id}", body)

    def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; gives whether it runs."""
        with self._lock:
            cancel = self._cancels.get(job_id)
        if cancel is not None:
            cancel.set()
        return cancel is not None

    def running(self) -> list[str]:
        """Ids of the jobs that run now."""
        with self._lock:
            return list(self._cancels)

    def folder(self, job_id: str) -> Path:
        """A fresh folder for a job."""
        with self._lock:
            if self._root is None:
                self._root = Path(tempfile.mkdtemp(prefix="fakes-jobs-"))
            root = self._root
        folder = root / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def closing(self) -> None:
        """Stop all jobs and remove their folders; processes were ended before."""
        with self._lock:
            for cancel in self._cancels.values():
                cancel.set()
            root, self._root = self._root, None
        if root is not None:
            shutil.rmtree(root, ignore_errors=True)
