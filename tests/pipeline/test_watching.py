"""The board follows a run from what its runner reports."""

from __future__ import annotations

import io

import pytest

from mlops.output import Output
from mlops.progress import DONE, FAILED, WAITING, Board
from mlops.watching import watched
from pipeline.runner import PipelineStatus, StepStatus
from registry.runs import RunState

NAMES = {"train": "train", "evaluate": "evaluate", "register": "register"}


def board() -> tuple[Board, io.StringIO]:
    said = io.StringIO()
    return Board(Output(stderr=said), list(NAMES)), said


def test_steps_lines_metrics_and_reuse() -> None:
    shown, said = board()
    with shown, watched(shown, NAMES) as watch:
        for line in ("train: started", "train: fitted", "register: started", "no step: a word"):
            watch.line(line)
        done = RunState.COMPLETED
        steps = (
            StepStatus("train", done, metrics={"mse": 2.5}),
            StepStatus("evaluate", done, reused="since run 7"),
            StepStatus("register", done),
        )
        watch.ended(PipelineStatus("1", "training", done, steps))
    assert [step.state for step in shown.steps] == [DONE, DONE, DONE]
    assert [step.note for step in shown.steps[:2]] == ["mse 2.5", "reused: since run 7"]
    assert "fitted" in said.getvalue()
    assert "no step: a word" in said.getvalue()


def test_a_failure_marks_the_step_that_ran() -> None:
    shown, _ = board()
    with pytest.raises(RuntimeError), shown, watched(shown, NAMES) as watch:
        watch.line("train: started")
        raise RuntimeError
    assert [step.state for step in shown.steps] == [FAILED, WAITING, WAITING]
