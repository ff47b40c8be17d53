"""A worker of a ``ParallelRunStep``, under the rules by which the driver counts what failed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fakes.executor import parallel_driver
from pipeline.azure import worker
from pipeline.azure.step import EXIT_CODE
from pipeline.batching import parts
from pipeline.batching.tables import chunks
from pipeline.config import PipelineConfig
from pipeline.context import StepContext
from pipeline.errors import PipelineError
from registry.azure.runs import ERROR
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory

STOPPING = "t.csv: row 1: too old"


class Scorer:
    """Scores a part by its first row; fails on those of `broken`, as often as it says."""

    def __init__(self, output: Path, broken: dict[int, int], stopping: set[int]) -> None:
        self.output, self.broken, self.stopping = output, broken, stopping
        self.asked: list[int] = []

    def __call__(self, part: Path) -> str | None:
        table, first = parts.place_of(part)
        self.asked.append(first)
        if self.broken.get(first, 0) > 0:
            self.broken[first] -= 1
            raise PipelineError(f"no answer about row {first}")
        parts.write_values(self.output / parts.part_name(table, first, ".json"), [float(first)])
        return STOPPING if first in self.stopping else None

    def close(self) -> None:
        """Nothing was started."""


class Step:
    """Five parts of one row, in one mini-batch unless told otherwise, and who does them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "t.csv").write_text("age\n" + "1\n" * 5)
        self.table = folder / "t.csv"
        self.input, self.output = folder / "in", folder / "out"
        parts.cut(self.table, "t.csv", self.input, ["age"], 1)
        (self.input / "result.json").write_text("{}")  # of the step before
        monkeypatch.setenv("PARTS", str(self.input))
        self.patch = monkeypatch
        history = FileRunHistory(folder / "runs")
        self.said: list[str] = []
        self.context = StepContext(
            config=PipelineConfig(),
            models=FileModelRegistry(folder / "models"),
            runs=history,
            data=FileDataSets(folder / "data"),
            run=history.start("batch"),
            inputs={},
            output=self.output,
            progress=self.said.append,
        )

    def drive(
        self,
        broken: dict[int, int],
        *,
        threshold: int = -1,
        tries: int = 2,
        size: int = 10,
        stopping: tuple[int, ...] = (),
    ) -> Scorer:
        """Run the worker as the driver does."""
        scorer = Scorer(self.output, broken, set(stopping))
        step = SimpleNamespace(load_each=lambda: lambda context: scorer)
        asked = SimpleNamespace(
            left_out=False, output=self.output, step="score", pipeline=SimpleNamespace(step=lambda name: step)
        )
        self.patch.setattr(worker, "parse", lambda *_, **__: asked)
        self.patch.setattr(worker, "opened", lambda _: self.context)
        script, entry = worker.Worker(lambda error: 9), ModuleType("entry")
        script.init()
        entry.__dict__["run"] = script.run
        chosen = parallel_driver.options(
            [
                *("--scoring_module_name", "entry.py", "--output_action", "summary_only"),
                *("--mini_batch_size", str(size), "--run_invocation_timeout", "60", "--run_max_try", str(tries)),
                *("--error_threshold", str(threshold), "--input_fds_0", "PARTS"),
            ]
        )
        try:
            parallel_driver.score(entry, chosen)
        finally:
            script.shutdown()
        return scorer

    @property
    def lost(self) -> list[int]:
        """Rows without a prediction."""
        found = parts.stored(self.output, "t.csv")(chunks(self.table, 1), ["age"])
        return [number for number, (_, (value,)) in enumerate(found, 1) if value is parts.LOST]

    @property
    def tags(self) -> Any:
        return self.context.run.info().tags


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    return Step(tmp_path, monkeypatch)


def test_a_part_that_fails_takes_no_other_with_it(step: Step) -> None:
    scorer = step.drive({2: 99}, threshold=1)
    assert step.lost == [2]
    assert scorer.asked == [1, 2, 3, 4, 5, 2]
    assert (step.tags[ERROR], step.tags[EXIT_CODE]) == ("no answer about row 2", "9")
    assert any("000000000002.csv: no answer about row 2" in line for line in step.said)


def test_parts_that_fail_are_counted_one_by_one(step: Step) -> None:
    with pytest.raises(parallel_driver.TooManyErrors, match="2 items failed"):
        step.drive({2: 99, 4: 99}, threshold=1)


def test_what_succeeds_when_it_is_tried_again_has_not_failed(step: Step) -> None:
    step.drive({2: 1}, threshold=0)
    assert (step.lost, ERROR in step.tags) == ([], False)


def test_a_mini_batch_of_which_nothing_is_done_is_given_out_again(step: Step) -> None:
    scorer = step.drive({1: 1, 2: 99}, threshold=1, tries=3, size=1)
    assert step.lost == [2]
    assert scorer.asked == [1, 1, 2, 2, 2, 3, 4, 5]


def test_a_row_that_stops_the_run_is_its_reason_whatever_else_fails(step: Step) -> None:
    with pytest.raises(parallel_driver.TooManyErrors, match="2 items failed"):
        step.drive({5: 99}, threshold=0, stopping=(1,))
    assert step.tags[ERROR] == STOPPING


def test_the_result_that_lies_beside_the_parts_does_not_fail_with_them(step: Step) -> None:
    broken = dict.fromkeys(range(1, 6), 99)
    step.drive(broken, threshold=5)
    assert step.lost == list(broken)
