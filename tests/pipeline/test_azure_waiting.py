"""Starting runs on Azure and waiting for them while Azure or a person interferes. Nothing runs here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.azure import runner as module
from pipeline.azure.graph import Compute
from pipeline.azure.runner import AzureRunner
from pipeline.config import PipelineConfig
from pipeline.errors import PipelineConflict, PipelineTimeout, StepFailed
from pipeline.graph import TRAINING
from pipeline.runner import PipelineStatus, PublishedPipeline, StepStatus
from registry.azure.runs import AzureRunHistory
from registry.azure.sign_in import Account
from registry.azure.workspace import AzureWorkspace
from registry.errors import NotFound, Unavailable
from registry.runs import RunState

AWAY = Unavailable("run r-1: Azure answered: busy", hint="try again")


def status(state: RunState, step: RunState) -> PipelineStatus:
    return PipelineStatus("r-1", "training", state, (StepStatus("train", step, error="it broke"),))


RUNNING, DONE = status(RunState.RUNNING, RunState.RUNNING), status(RunState.COMPLETED, RunState.COMPLETED)
FAILED = status(RunState.FAILED, RunState.FAILED)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AzureRunner:
    workspace = AzureWorkspace(Account("", "", ""))
    made = AzureRunner(workspace, AzureRunHistory(workspace), tmp_path, Compute("cluster", "training"))
    clock = iter(range(10_000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None))
    monkeypatch.setattr(made, "submit", lambda *_, **__: "r-1")
    monkeypatch.setattr(made, "logs", lambda run_id, step: "a line\n")
    return made


@pytest.fixture
def answers(runner: AzureRunner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let Azure say of a run what comes next; the last for ever."""

    def let(*what: PipelineStatus | Exception) -> None:
        left = list(what)

        def next_one(run_id: str) -> PipelineStatus:
            found = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(runner, "status", next_one)

    return let


def test_an_outage_is_waited_out(runner: AzureRunner, answers: Callable[..., None]) -> None:
    answers(RUNNING, AWAY, AWAY, RUNNING, AWAY, DONE)
    said: list[str] = []
    assert runner.wait("r-1", progress=said.append) is DONE
    assert sum("asking again" in line for line in said) == 2


def test_an_outage_that_lasts_says_that_the_run_goes_on(runner: AzureRunner, answers: Callable[..., None]) -> None:
    answers(RUNNING, AWAY)
    with pytest.raises(Unavailable, match="busy") as told:
        runner.wait("r-1")
    assert told.value.hint == "try again; the run goes on: mlops pipeline wait r-1"


@pytest.mark.parametrize(("state", "error"), [(RUNNING, PipelineTimeout), (AWAY, Unavailable)])
def test_the_time_is_kept_whatever_azure_says(
    runner: AzureRunner, answers: Callable[..., None], state: Any, error: type[Exception]
) -> None:
    answers(state)
    with pytest.raises(error) as told:
        runner.wait("r-1", timeout=5.0)
    assert "mlops pipeline wait r-1" in str(getattr(told.value, "hint", ""))


def test_a_log_that_cannot_be_read_hides_nothing(
    runner: AzureRunner, answers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(run_id: str, step: str) -> str:
        raise NotFound("the log of train: not found in the workspace")

    monkeypatch.setattr(runner, "logs", unread)
    answers(RUNNING, FAILED)
    said: list[str] = []
    with pytest.raises(StepFailed, match="it broke"):
        runner.run(TRAINING, PipelineConfig(), progress=said.append)
    assert said[0] == "submitted as run r-1"
    assert any("mlops pipeline logs r-1 --step train" in line for line in said)


@pytest.mark.parametrize(
    ("why_not", "told"),
    [(PipelineConflict("run r-1 has ended: Completed"), None), (AWAY, "mlops pipeline cancel r-1"), (None, None)],
)
def test_an_interrupt_stays_one(
    runner: AzureRunner, monkeypatch: pytest.MonkeyPatch, why_not: Exception | None, told: str | None
) -> None:
    asked: list[str] = []

    def cancel(run_id: str) -> PipelineStatus:
        asked.append(run_id)
        if why_not is not None:
            raise why_not
        return DONE

    def interrupted(run_id: str) -> PipelineStatus:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "cancel", cancel)
    monkeypatch.setattr(runner, "status", interrupted)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        runner.run(TRAINING, PipelineConfig(), progress=said.append)
    assert asked == ["r-1"]
    assert told is None or told in said[-1]


@pytest.mark.parametrize("error", [RuntimeError("busy"), KeyboardInterrupt()])
def test_a_run_that_nobody_is_told_of_does_not_go_on(
    runner: AzureRunner, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.undo()
    cancelled: list[str] = []

    def refuse(marks: dict[str, str]) -> None:
        raise error

    run = SimpleNamespace(id="r-1", set_tags=refuse, cancel=lambda: cancelled.append("r-1"))
    sdk = SimpleNamespace(submit=lambda *_, **__: run)
    monkeypatch.setattr(runner._publications, "sdk", lambda published: sdk)
    monkeypatch.setattr(AzureWorkspace, "sdk", None)
    published = PublishedPipeline("p", "training", "41", None, "", PipelineConfig())  # type: ignore[arg-type]
    with pytest.raises((Unavailable, KeyboardInterrupt)):
        runner.submit(published)
    assert cancelled == ["r-1"]
