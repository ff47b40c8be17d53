"""ParallelRunStep, really run by the fake's own driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.jobs import cluster, ended, project

pytestmark = pytest.mark.azure

FILES = """
import argparse, os
def init():
    global factor
    parser = argparse.ArgumentParser()
    parser.add_argument("--factor", type=int)
    factor = parser.parse_known_args()[0].factor
def run(mini_batch):
    print("batch of", len(mini_batch))
    return [f"{os.path.basename(p)}:{len(open(p).read()) * factor}" for p in mini_batch if "bad" not in p]
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run_step(workspace: Any, tmp_path: Path, entry: str, data: Any, out: Any, **options: Any) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

    cluster(workspace)
    chosen = {"mini_batch_size": "2", "error_threshold": 0, "output_action": "append_row", **options}
    arguments = chosen.pop("arguments", ["--factor", 10])
    environment = Environment("batch")
    environment.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["azureml-core", "azureml-dataset-runtime[pandas,fuse]"]
    )
    config = ParallelRunConfig(
        source_directory=project(tmp_path / "src", batch=entry),
        entry_script="batch.py",
        environment=environment,
        compute_target="cpu",
        node_count=1,
        **chosen,
    )
    step = ParallelRunStep(
        name="batch", parallel_run_config=config, inputs=[data], output=out, arguments=arguments, allow_reuse=False
    )
    run = Pipeline(workspace, [step]).submit("batch")
    ended(run)
    return run


def files(workspace: Any, tmp_path: Path, *names: str) -> Any:
    from azureml.core import Dataset

    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_text("x" * number)
    store = workspace.get_default_datastore()
    store.upload(str(folder), target_path="batch", show_progress=False)
    return Dataset.File.from_files((store, "batch/**"), validate=False).register(workspace, "inputs")


def result(run: Any, tmp_path: Path) -> Path:
    run.find_step_run("batch")[0].get_output_data("scores").download(str(tmp_path / "got"), show_progress=False)
    return next(path for path in (tmp_path / "got").rglob("*") if path.is_file())


def output(workspace: Any) -> Any:
    from azureml.pipeline.core import PipelineData

    return PipelineData("scores", datastore=workspace.get_default_datastore())


def test_files_in_mini_batches(workspace: Any, tmp_path: Path) -> None:
    data = files(workspace, tmp_path, "a", "b", "c", "d", "e").as_named_input("inputs")
    run = run_step(workspace, tmp_path, FILES, data, output(workspace), append_row_file_name="scores.txt")
    log = run.find_step_run("batch")[0].get_stdout_log()
    assert run.get_status() == "Finished", log
    assert log.count("batch of 2") == 2
    assert log.count("batch of 1") == 1
    found = result(run, tmp_path)
    assert found.name == "scores.txt"
    assert found.read_text().split() == ["a:0", "b:10", "c:20", "d:30", "e:40"]


def test_too_many_errors_fail_the_step(workspace: Any, tmp_path: Path) -> None:
    data = files(workspace, tmp_path, "a", "bad1", "bad2").as_named_input("inputs")
    run = run_step(workspace, tmp_path, FILES, data, output(workspace), error_threshold=1)
    assert run.get_status() == "Failed"
    assert "error_threshold" in run.find_step_run("batch")[0].get_details()["error"]["error"]["message"]


def test_a_mini_batch_is_tried_again(workspace: Any, tmp_path: Path) -> None:
    entry = (
        "tries = 0\n"
        "def run(mini_batch):\n"
        "    global tries\n"
        "    tries += 1\n"
        "    if tries == 1:\n"
        "        raise OSError('try again')\n"
        "    return mini_batch\n"
    )
    data = files(workspace, tmp_path, "a", "b").as_named_input("inputs")
    run = run_step(workspace, tmp_path, entry, data, output(workspace), run_max_try=2)
    assert run.get_status() == "Finished"
    assert "try 1 of 2 failed" in run.find_step_run("batch")[0].get_stdout_log()


def test_rows_of_a_tabular_data_set(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset

    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "t.csv").write_text("a,b\n" + "".join(f"{n},{n}\n" for n in range(1000)))
    store = workspace.get_default_datastore()
    store.upload(str(tmp_path / "table"), target_path="table", show_progress=False)
    table = Dataset.Tabular.from_delimited_files((store, "table/t.csv")).register(workspace, "table")
    entry = "def run(rows):\n    print('rows', len(rows))\n    rows['double'] = rows['a'] * 2\n    return rows\n"
    run = run_step(
        workspace,
        tmp_path,
        entry,
        table.as_named_input("table"),
        output(workspace),
        mini_batch_size="1KB",
        arguments=[],
    )
    log = run.find_step_run("batch")[0].get_stdout_log()
    assert run.get_status() == "Finished", log
    assert log.count("rows ") > 1
    lines = result(run, tmp_path).read_text().splitlines()
    assert len(lines) == 1000
    assert lines[7] == "7 7 14"
