"""The jobs of a state that run now: each a thread that can be canceled."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.core.folders import new_folder
from fakes.core.state import Backend

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.transitions import Transition

HOLD_SECONDS = 0.05


class JobGone(Exception):
    """The state or the workspace that the job belonged to is no more."""


class Job:
    """One job while it runs.

    Attributes
    ----------
    id : str
        Of its run.
    cancel : threading.Event
        Set when it is asked to stop.
    folder : Path
        Its own folder, gone with the state.
    """

    def __init__(self, state: State, job_id: str, folder: Path) -> None:
        self.id = job_id
        self.folder = folder
        self.cancel = threading.Event()
        self._gone = threading.Event()
        self.polls = 0
        self.begun = state.clock.timestamp()
        self.background = state.background
        self._state = state

    @contextlib.contextmanager
    def locked(self) -> Iterator[State]:
        """Give the state under its lock. Raises ``JobGone``: nothing must be written for what is no more."""
        with self._state.lock:
            yield self.state

    def drop(self) -> None:
        """End it: what it belongs to is no more, and it must not write anything any more."""
        self._gone.set()
        self.cancel.set()

    def hold(self, rule: Transition) -> bool:
        """Wait as a transition says before the work begins; gives False when the job was canceled meanwhile."""
        while (rule.mode == "polls" and self.polls < rule.after) or (
            rule.mode == "seconds" and self.state.clock.timestamp() - self.begun < rule.after
        ):
            if self.cancel.wait(HOLD_SECONDS):
                return False
        return True

    @property
    def state(self) -> State:
        """The state, for what takes the lock by itself. Raises ``JobGone``."""
        if self._gone.is_set() or self.background.stopping.is_set():
            raise JobGone(self.id)
        return self._state


class Jobs(Backend):
    """Running jobs by the id of their run. Gone on reset and exit, with their folders.

    Attributes
    ----------
    check_packages : bool
        Whether scripts do not find packages that their environment does not declare.
    """

    name = "jobs"
    exported = ("check_packages",)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.check_packages = True
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._root: Path | None = None
        self._closed = False

    def start(self, job_id: str, work: Callable[[Job], None]) -> Job:
        """Run `work` in a thread."""
        job = Job(self.state, job_id, self._folder(job_id))
        with self._lock:
            self._jobs[job_id] = job

        def body() -> None:
            try:
                work(job)
            except JobGone:
                pass
            finally:
                with self._lock:
                    self._jobs.pop(job_id, None)

        self.state.background.run(f"job-{job_id}", body)
        return job

    def cancel(self, job_id: str) -> bool:
        """Ask a job to stop; gives whether it runs."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is not None:
            job.cancel.set()
        return job is not None

    def drop(self, job_id: str) -> None:
        """End a job whose workspace was deleted."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is not None:
            job.drop()

    def polled(self, job_id: str) -> None:
        """Somebody asked how a job is."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is not None:
            job.polls += 1

    def running(self) -> list[str]:
        """Ids of the jobs that run now."""
        with self._lock:
            return list(self._jobs)

    def _folder(self, job_id: str) -> Path:
        with self._lock:
            if self._closed:
                raise JobGone(job_id)
            if self._root is None:
                self._root = new_folder("jobs")
            folder = self._root / job_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def closing(self) -> None:
        """Stop all jobs and remove their folders; processes were ended before."""
        with self._lock:
            for job in self._jobs.values():
                job.cancel.set()
            root, self._root, self._closed = self._root, None, True
        if root is not None:
            shutil.rmtree(root, ignore_errors=True)
