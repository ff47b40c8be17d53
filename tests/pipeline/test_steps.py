"""The steps, over seams in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import pytest

from model import dataset
from model.errors import BadParameter, CannotDecide, ContractBroken, DataNotFound
from pipeline.config import PipelineConfig
from pipeline.graph import TRAINING
from pipeline.local.executors import Seams
from pipeline.local.runner import LocalRunner
from pipeline.results import DataResult, EvaluateResult, RegisterResult, TrainResult
from pipeline.runner import PipelineStatus
from registry.errors import NotFound
from registry.runs import RunState
from tests.pipeline.conftest import Warm


def run(runner: LocalRunner, config: PipelineConfig, **changes: Any) -> PipelineStatus:
    return runner.run(TRAINING, replace(config, **changes))


def verdict(runner: LocalRunner, status: PipelineStatus) -> EvaluateResult:
    return runner.result(status.run_id, "evaluate", EvaluateResult)


def release(seams: Seams, name: str = "diabetes") -> None:
    candidate = seams.models.alias(name, "candidate")
    seams.models.set_alias(name, "production", candidate, who="test", why="released")


def csv(path: Path, **changes: Any) -> str:
    dataset.sample().assign(**changes).to_csv(path, index=False, lineterminator="\n")
    return str(path)


def test_a_first_run_registers_with_lineage(warm: Warm) -> None:
    runner, seams, status = warm.runner, warm.runner.seams, warm.status
    assert status.state is RunState.COMPLETED
    registered = runner.result(status.run_id, "register", RegisterResult)
    assert registered.model == "diabetes:1"
    version = seams.models.get("diabetes", 1)
    assert version.aliases == ("candidate",)
    assert version.tags == {
        "team": "blue",
        "run_id": registered.run_id,
        "pipeline_run": status.run_id,
        "build_id": "7",
    }
    trained = runner.result(status.run_id, "train", TrainResult)
    assert version.metrics == trained.metrics
    assert version.parameters == {"alpha": 0.95}
    lineage = version.lineage
    assert (lineage.build_id, lineage.build_uri, lineage.git_revision, lineage.git_dirty) == (
        "7", "http://ci/7", "abc", True,
    )  # fmt: skip
    assert (lineage.data, lineage.data_digest) == ("diabetes:1", seams.data.get("diabetes").digest)
    assert lineage.run_id == trained.run_id == status.steps[1].run_id
    assert lineage.lock_digest is not None and lineage.lock_digest.startswith("sha256:")
    assert lineage.python and lineage.platform and lineage.code_digest
    (move,) = seams.models.history("diabetes")
    assert (move.who, move.to_version) == ("tester", 1)
    assert move.why.startswith("first model")


@pytest.mark.slow
def test_parents_children_parameters_metrics_and_files(
    make_runner: Callable[..., LocalRunner], seams: Seams, config: PipelineConfig
) -> None:
    runner = make_runner(allow_reuse=False)
    status = run(runner, config)
    parent = seams.runs.get(status.run_id)
    assert parent.state is RunState.COMPLETED
    assert parent.metrics["mse"] == pytest.approx(2892.3, rel=1e-4)
    assert parent.tags["decision"] == "promote"
    assert parent.tags["model"] == "diabetes:1"
    assert parent.parameters == {"alpha": 0.95, "seed": 42, "test_size": 0.2}
    children = list(seams.runs.search(parent=parent.id))
    assert [child.name for child in reversed(children)] == ["check_data", "train", "evaluate", "register"]
    train = children[2]
    assert train.parameters == {"alpha": 0.95, "seed": 42, "test_size": 0.2}
    assert set(train.metrics) == {"mse", "rmse", "mae", "r2"}
    assert {"log.txt", "predictions.csv", "report.html", "result.json"} <= set(seams.runs.files(train.id))


def test_equal_is_kept_and_registers_nothing(runner: LocalRunner, seams: Seams, config: PipelineConfig) -> None:
    run(runner, config)
    release(seams)
    status = run(runner, config)
    assert status.state is RunState.COMPLETED
    assert verdict(runner, status).decision == "keep"
    assert not verdict(runner, status).rescored
    registered = runner.result(status.run_id, "register", RegisterResult)
    assert registered.model is None
    assert registered.skipped is not None and registered.skipped.startswith("keep: equal")
    assert len(list(seams.models.versions("diabetes"))) == 1
    tags = seams.runs.get(status.run_id).tags
    assert (tags["decision"], tags["register"]) == ("keep", "skipped")


@pytest.mark.slow
def test_keep_cancels_the_run_for_those_who_rely_on_it(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    run(runner, config)
    release(seams)
    status = run(runner, config, cancel_on_keep=True)
    assert status.state is RunState.CANCELED
    assert seams.runs.get(status.run_id).state is RunState.CANCELED
    assert seams.runs.get(status.run_id).tags["decision"] == "keep"


def test_a_better_model_is_promoted(runner: LocalRunner, seams: Seams, config: PipelineConfig) -> None:
    run(runner, config, parameters={"alpha": 1e5})
    release(seams)
    status = run(runner, config)
    result = verdict(runner, status)
    assert (result.decision, result.compared_with, result.rescored) == ("promote", "diabetes:1", False)
    assert seams.models.alias("diabetes", "candidate") == 2
    assert seams.models.alias("diabetes", "production") == 1


@pytest.mark.slow
def test_production_is_scored_again_on_other_rows(runner: LocalRunner, seams: Seams, config: PipelineConfig) -> None:
    run(runner, config)
    release(seams)
    status = run(runner, config, seed=7)
    result = verdict(runner, status)
    assert result.rescored
    stored = seams.models.get("diabetes", 1).metrics["mse"]
    assert result.production is not None
    assert result.production != pytest.approx(stored)
    assert seams.runs.get(status.run_id).metrics["production_mse"] == result.production


@pytest.mark.slow
def test_stored_metrics_of_another_definition_are_not_compared(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    run(runner, config)
    release(seams)
    stored = seams.models.stored  # type: ignore[attr-defined]
    version = stored["diabetes", 1]
    stored["diabetes", 1] = replace(
        version, metrics={"mse": 1e9}, properties={**version.properties, "metric_definition": "old"}
    )
    result = verdict(runner, run(runner, config))
    assert (result.decision, result.rescored) == ("keep", True)


@pytest.mark.slow
def test_metric_and_direction_are_settings(runner: LocalRunner, seams: Seams, config: PipelineConfig) -> None:
    run(runner, config, parameters={"alpha": 1e5})
    release(seams)
    assert verdict(runner, run(runner, config, metric="r2", direction="higher")).decision == "promote"
    assert verdict(runner, run(runner, config, metric="r2", direction="higher", margin=0.9)).decision == "keep"


def test_an_unknown_metric_cannot_be_decided_on(runner: LocalRunner, seams: Seams, config: PipelineConfig) -> None:
    with pytest.raises(CannotDecide, match="there is no metric 'auc'"):
        run(runner, config, metric="auc")
    assert list(seams.models.versions()) == []
    parent = next(item for item in seams.runs.search() if item.parent is None)
    # No time was spent on training.
    assert [item.name for item in seams.runs.search(parent=parent.id)] == ["check_data"]
    assert parent.state is RunState.FAILED


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["changed", "does not load"])
def test_an_unreadable_production_cannot_be_decided_on(
    runner: LocalRunner, seams: Seams, config: PipelineConfig, damage: str
) -> None:
    run(runner, config)
    release(seams)
    files = seams.models.files  # type: ignore[attr-defined]
    path = files["diabetes", 1] / "model.joblib"
    joblib.dump({"no": "estimator"}, path)
    if damage == "does not load":
        stored = seams.models.stored  # type: ignore[attr-defined]
        from registry.digests import tree_digest

        stored["diabetes", 1] = replace(stored["diabetes", 1], digest=tree_digest(files["diabetes", 1]))
    expected = "does not match its digest" if damage == "changed" else "does not load"
    with pytest.raises(CannotDecide, match=f"production model diabetes:1 is unreadable.*{expected}"):
        run(runner, config, seed=3)
    assert len(list(seams.models.versions())) == 1


@pytest.mark.slow
def test_without_evaluation_every_candidate_is_registered(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    run(runner, config)
    release(seams)
    # The rule is not looked at: what it needs may not exist.
    status = run(runner, config, evaluate=False, seed=5, metric="auc", direction="higher")
    assert "switched off" in verdict(runner, status).reason
    assert seams.models.alias("diabetes", "candidate") == 2


@pytest.mark.slow
def test_registering_again_after_an_interruption_gives_the_same_version(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    status = run(runner, config)
    again = runner.run(TRAINING, config, resume=status.run_id, start="register")
    assert runner.result(again.run_id, "register", RegisterResult).model == "diabetes:1"
    assert len(list(seams.models.versions())) == 1


# ---- data ----------------------------------------------------------------------------------------------------------
def test_the_sample_is_registered_once_with_its_profile(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    for _ in range(2):
        status = run(runner, config)
    (version,) = seams.data.versions()
    assert version.profile["rows"] == 442
    assert runner.result(status.run_id, "check_data", DataResult).reference == "diabetes:1"


@pytest.mark.slow
def test_a_table_of_the_users_becomes_the_next_version(
    runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path
) -> None:
    run(runner, config)
    path = csv(tmp_path / "mine.csv", progression=dataset.sample()["progression"] + 1)
    status = run(runner, config, data_path=path)
    assert runner.result(status.run_id, "train", TrainResult).data == "diabetes:2"


@pytest.mark.slow
def test_an_earlier_data_set_version(runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path) -> None:
    first = run(runner, config)
    run(runner, config, data_path=csv(tmp_path / "mine.csv", progression=dataset.sample()["progression"] + 1))
    status = run(runner, config, data_version=1)
    digests = {runner.result(item.run_id, "train", TrainResult).model_digest for item in (first, status)}
    assert len(digests) == 1
    with pytest.raises(NotFound):
        run(runner, config, data_version=9)


def test_data_that_breaks_the_contract_leaves_nothing_behind(
    runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path
) -> None:
    with pytest.raises(ContractBroken, match="age: range") as caught:
        run(runner, config, data_path=csv(tmp_path / "bad.csv", age=-1))
    assert caught.value.violations[0].count == 442
    assert list(seams.data.versions()) == []
    assert list(seams.models.versions()) == []


def test_a_missing_file(runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound):
        run(runner, config, data_path=str(tmp_path / "none.csv"))
    assert list(seams.data.versions()) == []


@pytest.mark.slow
def test_shifted_data_is_refused_unless_it_is_allowed(
    runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path
) -> None:
    run(runner, config)
    path = csv(tmp_path / "shifted.csv", bmi=dataset.sample()["bmi"] * 1.4)
    with pytest.raises(ContractBroken, match="bmi: distribution") as caught:
        run(runner, config, data_path=path)
    assert "--allow-shift" in str(caught.value.hint)
    status = run(runner, config, data_path=path, allow_shift=True)
    result = runner.result(status.run_id, "check_data", DataResult)
    assert (result.version, len(result.violations)) == (2, 1)


@pytest.mark.slow
def test_data_is_compared_with_what_production_was_trained_on(
    runner: LocalRunner, seams: Seams, config: PipelineConfig, tmp_path: Path
) -> None:
    run(runner, config)
    release(seams)
    shifted = csv(tmp_path / "shifted.csv", bmi=dataset.sample()["bmi"] * 1.4)
    run(runner, config, data_path=shifted, allow_shift=True)
    with pytest.raises(ContractBroken, match="bmi: distribution"):  # though it equals the newest version
        run(runner, config)


def test_parameters_are_refused_before_the_run_trains(
    runner: LocalRunner, seams: Seams, config: PipelineConfig
) -> None:
    with pytest.raises(BadParameter, match="alpha is -3"):
        run(runner, config, parameters={"alpha": -3})
    assert list(seams.models.versions()) == []


def test_the_configuration_is_a_document(config: PipelineConfig) -> None:
    assert PipelineConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
