"""The declared pipeline."""

from __future__ import annotations

import pytest

from pipeline.config import PipelineConfig
from pipeline.errors import PipelineNotFound
from pipeline.graph import TRAINING, Pipeline, Step


def test_the_judging_metric_is_no_reason_to_train_again_unless_it_is_searched_by() -> None:
    train = TRAINING.step("train")
    assert train.settings(PipelineConfig(metric="r2")) == train.settings(PipelineConfig())
    assert train.settings(PipelineConfig(seed=1)) != train.settings(PipelineConfig())
    searched = PipelineConfig(search=True)
    assert train.settings(PipelineConfig(search=True, metric="r2")) != train.settings(searched)


def test_every_step_can_be_loaded() -> None:
    for step in TRAINING.steps:
        assert callable(step.load())
        assert step.result_type().__name__ == step.result


@pytest.mark.parametrize(
    "steps",
    [
        (Step("a", "m:f", "DataResult", inputs=("b",)), Step("b", "m:f", "DataResult")),
        (Step("a", "m:f", "DataResult"), Step("a", "m:f", "DataResult")),
        (Step("a", "m:f", "DataResult", depends=("nonsense",)),),
        (Step("a", "m:f", "DataResult", depends_when=(("search", ("nonsense",)),)),),
    ],
)
def test_a_graph_that_makes_no_sense(steps: tuple[Step, ...]) -> None:
    with pytest.raises(PipelineNotFound):
        Pipeline("p", steps)


def test_unknown_steps_and_parameters() -> None:
    with pytest.raises(PipelineNotFound, match="no step 'nonsense'"):
        TRAINING.upto("nonsense")
    with pytest.raises(PipelineNotFound, match="nonsense"):
        Pipeline("p", (), parameters=("nonsense",))
