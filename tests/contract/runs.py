"""What every ``RunHistory`` must do. An adapter's test module gives a ``history`` fixture and derives a class."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from registry.errors import Conflict, InvalidName, NotFound
from registry.runs import RunHistory, RunState


@pytest.fixture
def experiment() -> str:
    """A name that no other test uses."""
    return f"exp-{uuid.uuid4().hex[:8]}"


class RunHistoryContract:
    """The suite."""

    def test_a_run_tells_what_happened(self, history: RunHistory, experiment: str) -> None:
        with history.start(experiment, name="train", parameters={"alpha": 0.4}, tags={"by": "test"}) as run:
            assert history.get(run.id).state is RunState.RUNNING
            run.log_metric("mse", 3.5)
            run.log_metric("mse", 2.5, step=7)
            run.log_metric("r2", 0.25)
            run.log_parameters({"seed": 1, "solver": "auto"})
            run.set_tags({"note": "line\nbreak"})
        read = history.get(run.id)
        assert read == run.info()
        assert (read.id, read.experiment, read.name, read.parent) == (run.id, experiment, "train", None)
        assert (read.state, read.error) == (RunState.COMPLETED, None)
        assert read.metrics == {"mse": 2.5, "r2": 0.25}
        assert read.parameters == {"alpha": 0.4, "seed": 1, "solver": "auto"}
        assert read.tags.items() >= {"by": "test", "note": "line\nbreak"}.items()
        assert read.created.tzinfo is not None
        assert read.ended is not None
        assert [value for _, value in history.metric(run.id, "mse")] == [3.5, 2.5]
        assert history.metric(run.id, "absent") == []

    def test_an_exception_fails_the_run(self, history: RunHistory, experiment: str) -> None:
        with pytest.raises(ZeroDivisionError), history.start(experiment) as run:
            raise ZeroDivisionError("no")
        read = history.get(run.id)
        assert read.state is RunState.FAILED
        assert read.error is not None
        assert "ZeroDivisionError" in read.error

    def test_an_interrupt_cancels_the_run(self, history: RunHistory, experiment: str) -> None:
        with pytest.raises(KeyboardInterrupt), history.start(experiment) as run:
            raise KeyboardInterrupt
        assert history.get(run.id).state is RunState.CANCELED

    def test_ending_twice(self, history: RunHistory, experiment: str) -> None:
        run = history.start(experiment)
        run.complete()
        run.complete()
        with pytest.raises(Conflict):
            run.fail("late")
        assert history.get(run.id).state is RunState.COMPLETED

    def test_children(self, history: RunHistory, experiment: str) -> None:
        with history.start(experiment, name="pipeline") as parent:
            with parent.child("train", tags={"step": "1"}) as child:
                child.log_metric("mse", 1.0)
            with history.start(experiment, name="evaluate", parent=parent.id) as second:
                pass
        assert history.get(child.id).parent == parent.id
        assert history.get(child.id).name == "train"
        assert {run.id for run in history.search(experiment, parent=parent.id)} == {child.id, second.id}

    def test_search(self, history: RunHistory, experiment: str) -> None:
        first = history.start(experiment, tags={"kind": "a"})
        first.complete()
        second = history.start(experiment, tags={"kind": "b"})
        second.fail("broken")
        third = history.start(experiment, tags={"kind": "a"})
        assert [run.id for run in history.search(experiment)] == [third.id, second.id, first.id]
        assert [run.id for run in history.search(experiment, limit=1)] == [third.id]
        assert [run.id for run in history.search(experiment, state=RunState.FAILED)] == [second.id]
        assert [run.id for run in history.search(experiment, tags={"kind": "a"})] == [third.id, first.id]
        assert [run.id for run in history.search(experiment, tags={"kind": None})] == [third.id, second.id, first.id]
        assert list(history.search(experiment, tags={"none": None})) == []
        third.cancel()
        assert third.info().state is RunState.CANCELED

    def test_a_run_can_be_opened_again(self, history: RunHistory, experiment: str) -> None:
        run = history.start(experiment)
        again = history.open(run.id)
        again.log_metric("mse", 1.5)
        again.complete()
        assert run.info().metrics == {"mse": 1.5}
        assert run.info().state is RunState.COMPLETED

    def test_files(self, history: RunHistory, experiment: str, tmp_path: Path) -> None:
        source = tmp_path / "plot.txt"
        source.write_bytes(b"\0plot")
        run = history.start(experiment)
        assert history.files(run.id) == []
        run.upload("outputs/plot.txt", source)
        run.upload("report.txt", source)
        source.write_bytes(b"changed")
        assert history.files(run.id) == ["outputs/plot.txt", "report.txt"]
        target = tmp_path / "new" / "copy.txt"
        assert history.download(run.id, "outputs/plot.txt", target) == target
        assert target.read_bytes() == b"\0plot"
        with pytest.raises(NotFound):
            history.download(run.id, "absent.txt", tmp_path / "absent")
        run.complete()

    def test_a_file_that_is_kept_does_not_change(self, history: RunHistory, experiment: str, tmp_path: Path) -> None:
        source = tmp_path / "plot.txt"
        source.write_bytes(b"plot")
        run = history.start(experiment)
        for _ in range(2):  # as a step does that is begun anew in the same run
            run.upload("plot.txt", source)
        source.write_bytes(b"another")
        with pytest.raises(Conflict, match=r"plot\.txt"):
            run.upload("plot.txt", source)
        history.download(run.id, "plot.txt", tmp_path / "copy.txt")
        assert (tmp_path / "copy.txt").read_bytes() == b"plot"
        run.complete()

    @pytest.mark.parametrize(
        "bad", ["", "..", "../a", "/etc/passwd", "a/../b", "a\\b", "C:x", "a\0b", "a//b", "a/"], ids=ascii
    )
    def test_file_names_stay_inside(self, history: RunHistory, experiment: str, tmp_path: Path, bad: str) -> None:
        (tmp_path / "source").write_text("x")
        run = history.start(experiment)
        with pytest.raises(InvalidName):
            run.upload(bad, tmp_path / "source")
        assert history.files(run.id) == []
        run.complete()

    def test_what_is_not_there(self, history: RunHistory, experiment: str, tmp_path: Path) -> None:
        for call in (
            lambda: history.get("absent"),
            lambda: history.open("absent"),
            lambda: history.metric("absent", "mse"),
            lambda: history.files("absent"),
            lambda: history.download("absent", "a", tmp_path / "a"),
            lambda: history.start(experiment, parent="absent"),
        ):
            with pytest.raises(NotFound):
                call()
        assert list(history.search(experiment)) == []

    @pytest.mark.parametrize("bad", ["", "..", "a/b", "a\0b", "x" * 256, "%2e%2e"], ids=ascii)
    def test_experiment_names(self, history: RunHistory, bad: str) -> None:
        with pytest.raises(InvalidName):
            history.start(bad)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None], ids=repr)
    def test_metrics_are_finite_numbers(self, history: RunHistory, experiment: str, value: float) -> None:
        run = history.start(experiment)
        with pytest.raises(InvalidName, match="mse"):
            run.log_metric("mse", value)
        run.complete()
        assert run.info().metrics == {}
