"""Data that flows into and out of pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.jobs import cluster, ended, project

pytestmark = pytest.mark.azure

READ = """
import os, sys
path = sys.argv[1]
files = [path] if os.path.isfile(path) else sorted(os.path.join(path, name) for name in os.listdir(path))
print("read", ",".join(open(file).read() for file in files))
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(workspace: Any, tmp_path: Path) -> Any:
    """The default datastore with in/a.txt, in/b.txt and other/c.txt."""
    for name in ("in/a", "in/b", "other/c"):
        path = tmp_path / "data" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.stem)
    found = workspace.get_default_datastore()
    found.upload(str(tmp_path / "data"), show_progress=False)
    return found


def reader(workspace: Any, tmp_path: Path, argument: Any, **options: Any) -> Any:
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", read=READ)
    step = PythonScriptStep(
        "read.py", name="read", arguments=[argument], compute_target="cpu", source_directory=folder, **options
    )
    return Pipeline(workspace, [step])


def said(run: Any) -> str:
    assert ended(run) == "Finished", run.find_step_run("read")[0].get_details()
    return str(run.find_step_run("read")[0].get_stdout_log())


def test_a_data_reference(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.data.data_reference import DataReference

    reference = DataReference(store, data_reference_name="ref", path_on_datastore="in")
    run = reader(workspace, tmp_path, reference, inputs=[reference]).submit("data")
    assert "read a,b" in said(run)
    again = DataReference(store, data_reference_name="ref", path_on_datastore="in")
    second = reader(workspace, tmp_path, again, inputs=[again]).submit("data")
    assert ended(second) == "Finished"
    # The data source was found by its hash: the step takes the same thing, and is reused.
    assert second.find_step_run("read")[0]._is_reused


def test_a_file_data_set_as_mount(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset

    files = Dataset.File.from_files((store, "in/**"), validate=False).register(workspace, "files")
    run = reader(workspace, tmp_path, files.as_named_input("files").as_mount()).submit("data")
    assert "read a,b" in said(run)


def test_several_paths_lie_where_the_engine_puts_them(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    files = Dataset.File.from_files([(store, "in/a.txt"), (store, "other/*")], validate=False)
    walk = (
        "import os, sys\n"
        "root = sys.argv[1]\n"
        "found = [os.path.relpath(os.path.join(f, n), root) for f, _, names in os.walk(root) for n in names]\n"
        "print('found', *sorted(found))\n"
    )
    step = PythonScriptStep(
        "walk.py",
        name="read",
        arguments=[files.as_named_input("files").as_mount()],
        compute_target="cpu",
        source_directory=project(tmp_path / "src", walk=walk),
    )
    log = said(Pipeline(workspace, [step]).submit("data"))
    assert "found " + " ".join(sorted(path.lstrip("/") for path in files.to_path())) in log


def test_a_data_set_that_names_no_file_fails_the_step(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset

    files = Dataset.File.from_files((store, "nothing/*.txt"), validate=False).register(workspace, "files")
    run = reader(workspace, tmp_path, files.as_named_input("files").as_download()).submit("data")
    assert ended(run) == "Failed"
    assert "no file matches" in run.find_step_run("read")[0].get_details()["error"]["error"]["message"]


def test_a_data_set_parameter(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
    from azureml.pipeline.core import PipelineParameter

    files = Dataset.File.from_files((store, "in/*.txt"), validate=False).register(workspace, "files")
    other = Dataset.File.from_files((store, "other/*.txt"), validate=False).register(workspace, "others")
    parameter = PipelineParameter("which", default_value=files)
    consumed = DatasetConsumptionConfig("which", parameter).as_mount()
    pipeline = reader(workspace, tmp_path, consumed, inputs=[consumed])
    assert "read a,b" in said(pipeline.submit("data"))
    published = pipeline.publish("data")
    run = published.submit(workspace, "data", pipeline_parameters={"which": other})
    assert "read c" in said(run)


def test_a_data_path_parameter(workspace: Any, store: Any, tmp_path: Path) -> None:
    from azureml.data.datapath import DataPath, DataPathComputeBinding
    from azureml.pipeline.core import PipelineParameter

    parameter = PipelineParameter("where", default_value=DataPath(store, "in"))
    bound = (parameter, DataPathComputeBinding(mode="mount"))
    pipeline = reader(workspace, tmp_path, bound, inputs=[bound])
    assert "read a,b" in said(pipeline.submit("data"))
    run = pipeline.submit("data", pipeline_parameters={"where": DataPath(store, "other")})
    assert "read c" in said(run)


def test_an_output_data_set_config_between_steps_and_registered(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    write = "import os, sys\nopen(os.path.join(sys.argv[1], 'x.txt'), 'w').write('made')\n"
    folder = project(tmp_path / "src", read=READ, write=write)
    made = OutputFileDatasetConfig(
        "made", destination=(workspace.get_default_datastore(), "made/{run-id}")
    ).register_on_complete("made")
    common = {"compute_target": "cpu", "source_directory": folder}
    first = PythonScriptStep("write.py", name="write", arguments=[made], **common)
    second = PythonScriptStep("read.py", name="read", arguments=[made.as_input("made").as_mount()], **common)
    run = Pipeline(workspace, [first, second]).submit("data")
    assert "read made" in said(run)
    registered = Dataset.get_by_name(workspace, "made")
    assert registered.version == 1
    assert registered.download(str(tmp_path / "got"))
    assert (tmp_path / "got" / "x.txt").read_text() == "made"


def test_a_tabular_data_set_is_read_in_the_step(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "t.csv").write_text("a,b\n1,x\n2,y\n")
    store = workspace.get_default_datastore()
    store.upload(str(tmp_path / "table"), target_path="table", show_progress=False)
    table = Dataset.Tabular.from_delimited_files((store, "table/t.csv")).register(workspace, "table")
    assert table.to_pandas_dataframe().shape == (2, 2)
    script = (
        "from azureml.core import Run\nframe = Run.get_context().input_datasets['table'].to_pandas_dataframe()\n"
        "print('sum', frame['a'].sum())\n"
    )
    configuration = RunConfiguration()
    configuration.environment.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["azureml-defaults", "azureml-dataset-runtime[pandas]"]
    )
    step = PythonScriptStep(
        "sum.py",
        name="read",
        inputs=[table.as_named_input("table")],
        compute_target="cpu",
        runconfig=configuration,
        source_directory=project(tmp_path / "src", sum=script),
    )
    assert "sum 3" in said(Pipeline(workspace, [step]).submit("data"))


def test_what_reads_a_path_runs_again_when_another_run_wrote_there(workspace: Any, tmp_path: Path) -> None:
    from azureml.data import OutputFileDatasetConfig
    from azureml.pipeline.core import Pipeline, PipelineParameter
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    write = "import os, sys\nopen(os.path.join(sys.argv[1], 'x.txt'), 'w').write(sys.argv[2])\n"
    folder = project(tmp_path / "src", read=READ, write=write)
    made = OutputFileDatasetConfig("made", destination=(workspace.get_default_datastore(), "always/here"))
    text = PipelineParameter("text", "one")
    common = {"compute_target": "cpu", "source_directory": folder}
    first = PythonScriptStep("write.py", name="write", arguments=[made, text], **common)
    second = PythonScriptStep("read.py", name="read", arguments=[made.as_input("made").as_mount()], **common)
    pipeline = Pipeline(workspace, [first, second])
    assert "read one" in said(pipeline.submit("data"))
    assert "read two" in said(pipeline.submit("data", pipeline_parameters={"text": "two"}))
