"""Jobs find the packages that their environment declares, and no others, however they are started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.jobs import cluster, ended, project

pytestmark = pytest.mark.azure

# Installed wherever pytest runs, and brought by nothing that the SDK's default environment declares.
USES = "import pluggy\nprint('found', pluggy.__name__)\n"
MISSING = "ModuleNotFoundError: No module named 'pluggy'"
HINT = "the module pluggy is installed here, but no package that the environment declares"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def environment(*packages: str) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies

    made = Environment("training")
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults", *packages])
    return made


def submit(workspace: Any, tmp_path: Path, packages: tuple[str, ...] = (), target: str = "cpu", **what: Any) -> Any:
    from azureml.core import Experiment, ScriptRunConfig

    folder = project(tmp_path / "src", train=USES)
    chosen = what or {"script": "train.py"}
    config = ScriptRunConfig(folder, compute_target=target, environment=environment(*packages), **chosen)
    return Experiment(workspace, "prices").submit(config)


def log_of(run: Any, tmp_path: Path) -> str:
    target = tmp_path / "log.txt"
    run.download_file("user_logs/std_log.txt", output_file_path=str(target))
    return target.read_text()


@pytest.mark.parametrize(
    "what",
    [
        {"script": "train.py"},
        {"command": "python3 -u -m train"},
    ],
    ids=["script", "command"],
)
def test_an_undeclared_package_is_not_found(workspace: Any, tmp_path: Path, what: dict[str, Any]) -> None:
    cluster(workspace)
    run = submit(workspace, tmp_path, **what)
    assert ended(run) == "Failed"
    log = log_of(run, tmp_path)
    assert MISSING in log and HINT in log
    assert "Jobs.check_packages = False" in log


def test_a_declared_package_is_found(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, tmp_path, packages=("pluggy",))
    assert ended(run) == "Completed", log_of(run, tmp_path)
    assert "found pluggy" in log_of(run, tmp_path)


def test_the_check_can_be_switched_off(azure: Any, workspace: Any, tmp_path: Path) -> None:
    from fakes.executor.jobs import Jobs

    azure.state.backend(Jobs).check_packages = False
    cluster(workspace)
    assert ended(submit(workspace, tmp_path)) == "Completed"


def test_a_local_run_with_an_environment_of_its_own(workspace: Any, tmp_path: Path) -> None:
    run = submit(workspace, tmp_path, target="local")
    assert ended(run) == "Failed"
    assert MISSING in log_of(run, tmp_path)


def test_a_script_in_a_folder_finds_what_lies_beside_it(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Experiment, ScriptRunConfig

    cluster(workspace)
    project(tmp_path / "src", shared="WHOSE = 'root'\n")
    project(tmp_path / "src" / "steps", train="import beside, shared\nprint(beside.WHOSE, shared.WHOSE)\n")
    project(tmp_path / "src" / "steps", beside="WHOSE = 'folder'\n")
    config = ScriptRunConfig(
        str(tmp_path / "src"), script="steps/train.py", compute_target="cpu", environment=environment()
    )
    run = Experiment(workspace, "prices").submit(config)
    assert ended(run) == "Completed", log_of(run, tmp_path)
    assert "folder root" in log_of(run, tmp_path)


def steps(workspace: Any, tmp_path: Path) -> list[Any]:
    """A step that runs a script, and one that scores in mini-batches."""
    from azureml.core import Dataset
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import PipelineData
    from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep, PythonScriptStep

    cluster(workspace)
    store = workspace.get_default_datastore()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("x")
    store.upload(str(tmp_path / "data"), target_path="batch", show_progress=False)
    data = Dataset.File.from_files((store, "batch/**"), validate=False).as_named_input("inputs")
    configuration = RunConfiguration()
    configuration.environment = environment()
    folder = project(tmp_path / "src", train=USES, batch=USES + "def run(mini_batch): return mini_batch\n")
    script = PythonScriptStep(
        "train.py",
        name="script",
        compute_target="cpu",
        source_directory=folder,
        runconfig=configuration,
        allow_reuse=False,
    )
    parallel = ParallelRunConfig(
        source_directory=folder,
        entry_script="batch.py",
        environment=environment(),
        compute_target="cpu",
        node_count=1,
        mini_batch_size="1",
        error_threshold=0,
        output_action="append_row",
    )
    out = PipelineData("scores", datastore=store)
    batch = ParallelRunStep(name="batch", parallel_run_config=parallel, inputs=[data], output=out, allow_reuse=False)
    return [script, batch]


@pytest.mark.parametrize("which", [0, 1], ids=["script", "parallel"])
def test_steps_of_pipelines(workspace: Any, tmp_path: Path, which: int) -> None:
    from azureml.pipeline.core import Pipeline

    step = steps(workspace, tmp_path)[which]
    run = Pipeline(workspace, [step]).submit("prices")
    assert ended(run) == "Failed"
    log = run.find_step_run(step.name)[0].get_stdout_log()
    assert MISSING in log and HINT in log
