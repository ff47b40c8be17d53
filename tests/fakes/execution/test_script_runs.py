"""Submitted scripts really run, as the unmodified SDK sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.jobs import alive, cluster, ended, project, until

pytestmark = pytest.mark.azure

TRAIN = """
import os, sys
from azureml.core import Run
run = Run.get_context()
print("hello from", run.experiment.name, sys.argv[1:])
run.log("rmse", 0.5)
run.tag("kind", "trial")
open("outputs/model.txt", "w").write(os.environ["COLOUR"])
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def submit(workspace: Any, folder: str, **options: Any) -> Any:
    from azureml.core import Environment, Experiment, ScriptRunConfig

    environment = Environment("test")
    environment.environment_variables = {"COLOUR": "red"}
    chosen = {"compute_target": "cpu", "environment": environment, **options}
    return Experiment(workspace, "prices").submit(ScriptRunConfig(folder, **chosen))


def log_of(run: Any, tmp_path: Path) -> str:
    target = tmp_path / "log.txt"
    run.download_file("user_logs/std_log.txt", output_file_path=str(target))
    return target.read_text()


def test_a_script_runs_with_its_context_arguments_and_variables(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", train=TRAIN), script="train.py", arguments=["--rate", 0.1])
    assert ended(run) == "Completed"
    assert run.get_metrics() == {"rmse": 0.5}
    assert run.get_tags()["kind"] == "trial"
    assert set(run.get_file_names()) == {"outputs/model.txt", "user_logs/std_log.txt"}
    run.download_file("outputs/model.txt", output_file_path=str(tmp_path / "model.txt"))
    assert (tmp_path / "model.txt").read_text() == "red"
    assert "hello from prices ['--rate', '0.1']" in log_of(run, tmp_path)
    details = run.get_details()
    assert details["runDefinition"]["script"] == "train.py"
    assert details["properties"]["ContentSnapshotId"]


def test_the_log_streams_and_wait_for_completion_prints_it(
    workspace: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster(workspace)
    slow = "import time\nfor n in range(8):\n    print('line', n)\n    time.sleep(0.5)\n"
    run = submit(workspace, project(tmp_path / "src", slow=slow), script="slow.py")
    run.wait_for_completion(show_output=True)
    shown = capsys.readouterr().out
    assert "Streaming user_logs/std_log.txt" in shown
    assert "line 0" in shown


def test_a_script_that_fails_fails_its_run_with_the_reason(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    bad = "open('outputs/half.txt', 'w').write('half')\nraise ValueError('no such column')\n"
    run = submit(workspace, project(tmp_path / "src", bad=bad), script="bad.py")
    assert ended(run) == "Failed"
    message = run.get_details()["error"]["error"]["message"]
    assert "exited with status code 1" in message
    assert "ValueError: no such column" in message
    assert "outputs/half.txt" in run.get_file_names()


def test_an_exit_code_of_the_script(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", bad="import sys\nsys.exit(7)\n"), script="bad.py")
    assert ended(run) == "Failed"
    assert "status code 7" in run.get_details()["error"]["error"]["message"]


SLEEP = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("pids", os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def pids_of(run: Any, tmp_path: Path) -> list[int]:
    def found() -> list[int]:
        if "user_logs/std_log.txt" not in run.get_file_names():
            return []
        lines = [line for line in log_of(run, tmp_path).splitlines() if line.startswith("pids ")]
        return [int(word) for word in lines[0].split()[1:]] if lines else []

    pids: list[int] = until(found, "the pids in the log")
    return pids


def test_cancel_ends_the_script_and_its_children(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", sleep=SLEEP), script="sleep.py")
    pids = pids_of(run, tmp_path)
    assert all(alive(pid) for pid in pids)
    run.cancel()
    assert ended(run) == "Canceled"
    until(lambda: not any(alive(pid) for pid in pids), "the end of the processes")


def test_reset_ends_what_runs(azure: Any, workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", sleep=SLEEP), script="sleep.py")
    pids = pids_of(run, tmp_path)
    azure.reset()
    until(lambda: not any(alive(pid) for pid in pids), "the end of the processes")
    assert list(workspace.experiments) == []


def test_a_command_runs_in_a_shell(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    folder = project(tmp_path / "src", show="import sys\nprint('shown', sys.argv[1:])\n")
    run = submit(workspace, folder, command=["echo", "$COLOUR", "&&", "python", "show.py", "--x", "1"])
    assert ended(run) == "Completed"
    log = log_of(run, tmp_path)
    assert "red" in log
    assert "shown ['--x', '1']" in log


def test_modules_in_the_folder_win_over_those_of_the_kit(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    folder = project(
        tmp_path / "src", main="import score, model\nprint(score.WHOSE, model.WHOSE)\n", score="WHOSE = 'mine'\n"
    )
    (Path(folder) / "model").mkdir()
    (Path(folder) / "model" / "__init__.py").write_text("WHOSE = 'mine too'\n")
    run = submit(workspace, folder, script="main.py")
    assert ended(run) == "Completed", run.get_details()["error"]
    assert "mine mine too" in log_of(run, tmp_path)


def test_the_job_does_not_see_the_credentials_of_who_submitted(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    show = "import os\nprint(sorted(k for k in os.environ if 'PRINCIPAL' in k or 'SECRET' in k))\n"
    run = submit(workspace, project(tmp_path / "src", show=show), script="show.py")
    assert ended(run) == "Completed"
    assert "[]" in log_of(run, tmp_path)


def test_a_changed_file_changes_the_next_snapshot(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    folder = project(tmp_path / "src", main="import other\nprint(other.N)\n", other="N = 'first'\n", gone="x = 1\n")
    first = submit(workspace, folder, script="main.py")
    assert ended(first) == "Completed"
    project(tmp_path / "src", other="N = 'second'\n")
    (tmp_path / "src" / "gone.py").unlink()
    second = submit(workspace, folder, script="main.py")
    assert ended(second) == "Completed"
    assert "second" in log_of(second, tmp_path)
    restored = first.restore_snapshot(path=str(tmp_path))
    import zipfile

    with zipfile.ZipFile(restored) as archive:
        assert archive.read("other.py") == b"N = 'first'\n"
        assert "gone.py" in archive.namelist()
    with zipfile.ZipFile(second.restore_snapshot(path=str(tmp_path))) as archive:
        assert "gone.py" not in archive.namelist()


def test_a_project_that_is_sent_as_an_archive(workspace: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_FORCE_EXECUTE_WITH_ZIP", "1")
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", main="print('from a zip')\n"), script="main.py")
    assert ended(run) == "Completed"
    assert "from a zip" in log_of(run, tmp_path)


def test_a_compute_target_that_is_not_there(workspace: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nowhere"):
        submit(workspace, project(tmp_path / "src", main=""), script="main.py", compute_target="nowhere")


def test_what_cannot_run_as_in_azure_is_refused_and_not_run(workspace: Any, tmp_path: Path) -> None:
    from azureml.core.runconfig import MpiConfiguration

    cluster(workspace)
    with pytest.raises(Exception, match="not implemented by this fake"):
        submit(
            workspace,
            project(tmp_path / "src", main=""),
            script="main.py",
            distributed_job_config=MpiConfiguration(node_count=2),
        )
    assert list(workspace.experiments["prices"].get_runs()) == []


def test_data_sets_reach_the_script_and_outputs_the_datastore(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Dataset
    from azureml.data import OutputFileDatasetConfig

    cluster(workspace)
    store = workspace.get_default_datastore()
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a", "b"):
        (data / f"{name}.csv").write_text(name)
    store.upload(str(data), target_path="in", show_progress=False)
    many = Dataset.File.from_files((store, "in/*.csv"), validate=False).register(workspace, "many")
    one = Dataset.File.from_files((store, "in/a.csv"), validate=False)
    out = OutputFileDatasetConfig("result", destination=(store, "out/{run-id}")).register_on_complete("made")
    script = (
        "import os, sys\n"
        "many, one, out = sys.argv[1:]\n"
        "assert os.environ['files'] == many\n"
        "text = ''.join(open(os.path.join(many, n)).read() for n in sorted(os.listdir(many)))\n"
        "open(os.path.join(out, 'joined.txt'), 'w').write(text + open(one).read())\n"
    )
    run = submit(
        workspace,
        project(tmp_path / "src", join=script),
        script="join.py",
        arguments=[many.as_named_input("files").as_mount(), one.as_download(), out],
    )
    assert ended(run) == "Completed", run.get_details()["error"]
    store.download(str(tmp_path / "got"), prefix=f"out/{run.id}", show_progress=False)
    assert (tmp_path / "got" / "out" / run.id / "joined.txt").read_text() == "aba"
    assert Dataset.get_by_name(workspace, "made").version == 1


def test_a_transition_makes_runs_fail(azure: Any, workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    azure.state.transitions.set("run", failure={"code": "OutOfNodes", "message": "no node was free"})
    run = submit(workspace, project(tmp_path / "src", main="print('never')\n"), script="main.py")
    assert ended(run) == "Failed"
    assert run.get_details()["error"]["error"]["code"] == "OutOfNodes"


def test_the_cluster_is_busy_while_a_run_goes_on(azure: Any, workspace: Any, tmp_path: Path) -> None:
    from azureml.core.compute import ComputeTarget

    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", sleep=SLEEP), script="sleep.py")
    pids_of(run, tmp_path)
    assert ComputeTarget(workspace, "cpu").get_status().node_state_counts.running_node_count == 1
    run.cancel()
    ended(run)
    until(
        lambda: ComputeTarget(workspace, "cpu").get_status().node_state_counts.running_node_count == 0,
        "the node to be free again",
    )


def local(workspace: Any, folder: str, script: str) -> Any:
    import sys

    from azureml.core import Environment

    environment = Environment("own")
    environment.python.user_managed_dependencies = True
    environment.python.interpreter_path = sys.executable
    environment.environment_variables = {"COLOUR": "blue"}
    return submit(workspace, folder, script=script, compute_target="local", environment=environment)


def test_a_local_run_runs_on_the_machine_of_the_client(workspace: Any, tmp_path: Path) -> None:
    run = local(workspace, project(tmp_path / "src", train=TRAIN), "train.py")
    assert ended(run) == "Completed", run.get_details()["error"]
    assert run.get_metrics() == {"rmse": 0.5}
    assert {"outputs/model.txt", "user_logs/std_log.txt"} <= set(run.get_file_names())
    assert "hello from prices" in log_of(run, tmp_path)
    bad = local(workspace, project(tmp_path / "bad", bad="raise ValueError('no')\n"), "bad.py")
    assert ended(bad) == "Failed"
    assert "ValueError: no" in bad.get_details()["error"]["error"]["message"]


def test_a_local_run_is_canceled(workspace: Any, tmp_path: Path) -> None:
    run = local(workspace, project(tmp_path / "src", sleep=SLEEP), "sleep.py")
    pids = pids_of(run, tmp_path)
    run.cancel()
    assert ended(run) == "Canceled"
    until(lambda: not any(alive(pid) for pid in pids), "the end of the processes")


def test_runs_wait_for_a_free_node(workspace: Any, tmp_path: Path) -> None:
    cluster(workspace, nodes=1)
    first = submit(workspace, project(tmp_path / "one", sleep=SLEEP), script="sleep.py")
    pids_of(first, tmp_path)
    second = submit(workspace, project(tmp_path / "two", main="print('second')\n"), script="main.py")
    third = submit(workspace, project(tmp_path / "two"), script="main.py")
    assert second.get_status() == "Queued"
    third.cancel()
    assert ended(third) == "Canceled"
    first.cancel()
    assert ended(second) == "Completed"


def test_an_imported_run_that_was_executing_has_ended(azure: Any, workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    run = submit(workspace, project(tmp_path / "src", sleep=SLEEP), script="sleep.py")
    pids_of(run, tmp_path)
    document = azure.state.export()
    azure.reset()
    azure.state.load(document)
    assert workspace.get_run(run.id).get_status() == "Canceled"


def test_a_transition_keeps_runs_queued_for_some_polls(azure: Any, workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    azure.state.transitions.set("run", "polls", 3)
    run = submit(workspace, project(tmp_path / "src", main="print('late')\n"), script="main.py")
    assert [run.get_status() for _ in range(3)] == ["Queued"] * 3
    assert ended(run) == "Completed"


def test_a_transition_keeps_runs_queued_for_some_seconds(azure: Any, workspace: Any, tmp_path: Path) -> None:
    cluster(workspace)
    azure.state.transitions.set("run", "seconds", 1000)
    first = submit(workspace, project(tmp_path / "src", main="print('late')\n"), script="main.py")
    second = submit(workspace, project(tmp_path / "src"), script="main.py")
    assert first.get_status() == "Queued"
    second.cancel()
    assert ended(second) == "Canceled"
    azure.state.clock.advance(1001)
    assert ended(first) == "Completed"
