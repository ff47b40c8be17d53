"""Jobs and the end of the state that they belong to."""

from __future__ import annotations

import threading

import pytest

from fakes.core.state import State
from fakes.executor.jobs import JobGone, Jobs


def test_a_job_has_a_folder_until_the_state_ends_and_none_starts_after_it() -> None:
    state = State()
    jobs = state.backend(Jobs)
    begun = threading.Event()

    def work(job: object) -> None:
        begun.set()
        state.background.stopping.wait(30)

    job = jobs.start("one", work)
    assert begun.wait(30) and job.folder.is_dir() and jobs.running() == ["one"]
    state.close()
    assert not job.folder.exists() and not job.folder.parent.exists()
    with pytest.raises(JobGone):
        jobs.start("two", work)
