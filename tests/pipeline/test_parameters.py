"""Parameters of a pipeline: what is declared, and what stays text on its way."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.configure import assignments
from pipeline.azure.step import parse
from pipeline.config import TEXTS, PipelineConfig
from pipeline.errors import PipelineError
from pipeline.graph import BATCH, TRAINING
from pipeline.local.executors import Seams
from pipeline.local.runner import LocalRunner
from pipeline.provenance import ROOT
from pipeline.runner import with_parameters


def test_a_build_id_is_text_from_the_command_line_on() -> None:
    given = assignments(("build_id=20260131.10", "data_version=3", "parameters={}"), "-p", texts=TEXTS)
    assert given == {"build_id": "20260131.10", "data_version": 3, "parameters": {}}
    config = with_parameters(TRAINING, PipelineConfig(), given)
    assert (config.build_id, config.data_version) == ("20260131.10", 3)


def test_a_build_id_is_text_in_a_step_of_azure() -> None:
    line = ["--step", "train", "--config", "{}", "--output", "out"]
    for name, value in (
        ("build_id", "20260131.10"),
        ("data_version", "3"),
        ("parameters", '{"alpha": 2}'),
        ("model", " "),
    ):
        line += ["--set", name, value]
    config = parse(line).config
    assert (config.build_id, config.data_version, config.parameters) == ("20260131.10", 3, {"alpha": 2})
    assert config.model == PipelineConfig().model  # an empty parameter is one that is not set


def batch_step(**given: str) -> list[str]:
    line = ["--kind", "batch", "--step", "split", "--config", "{}", "--output", "out"]
    return line + [text for name, value in given.items() for text in ("--set", name, value)]


@pytest.mark.parametrize(("text", "value"), [("False", False), ("false", False), ("TRUE ", True), ("true", True)])
def test_true_and_false_are_read_as_people_write_them(text: str, value: bool) -> None:
    assert parse(batch_step(stop_on_bad_row=text)).config.stop_on_bad_row is value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stop_on_bad_row": "no"}, "parameter stop_on_bad_row must be true or false, not 'no'"),
        ({"stop_on_bad_row": "0"}, "parameter stop_on_bad_row must be true or false, not 0"),
        ({"chunk_rows": "abc"}, "parameter chunk_rows must be a whole number, not 'abc'"),
        ({"chunk_rows": "0"}, "parameter chunk_rows must be at least 1, not 0"),
    ],
)
def test_a_step_of_azure_refuses_what_whoever_started_the_run_got_wrong(given: dict[str, str], message: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse(batch_step(**given))
    assert str(caught.value) == message


def test_no_rows_at_once_are_refused_whatever_set_them(cold_seams: Seams, tmp_path: Path) -> None:
    runner = LocalRunner(cold_seams, tmp_path, project=ROOT)
    with pytest.raises(PipelineError, match="chunk_rows must be at least 1, not 0"):
        runner.run(BATCH, PipelineConfig(chunk_rows=0))


def test_refuses_what_must_be_text_and_what_is_not_declared() -> None:
    with pytest.raises(PipelineError, match="build_id must be text, not 41"):
        with_parameters(TRAINING, PipelineConfig(), {"build_id": 41})
    with pytest.raises(PipelineError, match="no parameter seed"):
        with_parameters(TRAINING, PipelineConfig(), {"seed": 1})
    for name, value, what in (
        ("parameters", 3, "an object of JSON"),
        ("data_version", "newest", "a whole number"),
        ("data_version", True, "a whole number"),
        ("data_version", 1.5, "a whole number"),
    ):
        with pytest.raises(PipelineError, match=f"{name} must be {what}, not {value!r}"):
            with_parameters(TRAINING, PipelineConfig(), {name: value})
    assert with_parameters(TRAINING, PipelineConfig(), {"data_version": None, "parameters": {}}) == PipelineConfig()
