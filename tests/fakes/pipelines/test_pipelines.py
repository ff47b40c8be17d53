"""Pipelines of the unmodified SDK, really run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.jobs import cluster, ended, project, until

pytestmark = pytest.mark.azure

MAKE = """
import os, sys
out, text = sys.argv[1:]
os.makedirs(out)
open(os.path.join(out, "text.txt"), "w").write(text + os.environ.get("AML_PARAMETER_text", ""))
print("made", text)
"""
SHOW = """
import os, sys
found, how = sys.argv[1:3]
print("shown", open(os.path.join(found, "text.txt")).read())
if how == "fail":
    sys.exit("made to fail")
if how == "wait":
    import time
    print("waiting", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def build(workspace: Any, tmp_path: Path, *, reuse: bool = True) -> Any:
    """Two steps: the first makes a file, the second shows it."""
    from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", make=MAKE, show=SHOW, last="print('last')\n")
    text, how = PipelineParameter("text", "hello"), PipelineParameter("how", "end")
    out = PipelineData("out", datastore=workspace.get_default_datastore())
    common = {"compute_target": "cpu", "source_directory": folder}
    make = PythonScriptStep("make.py", name="make", arguments=[out, text], outputs=[out], allow_reuse=reuse, **common)
    show = PythonScriptStep("show.py", name="show", arguments=[out, how], inputs=[out], allow_reuse=False, **common)
    last = PythonScriptStep("last.py", name="last", allow_reuse=False, **common)
    last.run_after(show)
    return Pipeline(workspace, [make, show, last])


def states(run: Any) -> dict[str, str]:
    return {step.name: step.get_status() for step in run.get_steps()}


def step(run: Any, name: str) -> Any:
    return run.find_step_run(name)[0]


def test_steps_run_in_order_and_pass_their_outputs_on(workspace: Any, tmp_path: Path) -> None:
    run = build(workspace, tmp_path).submit("nightly", pipeline_parameters={"text": "ciao"})
    assert ended(run) == "Finished"
    assert states(run) == {"make": "Finished", "show": "Finished", "last": "Finished"}
    assert "shown ciaociao" in step(run, "show").get_stdout_log()
    assert workspace.get_run(run.id).get_details()["status"] == "Completed"
    reference = step(run, "make").get_output_data("out")
    assert reference.download(str(tmp_path / "got"), show_progress=False) == 1
    assert next((tmp_path / "got").rglob("text.txt")).read_text() == "ciaociao"
    times = {s.name: s.get_details() for s in run.get_steps()}
    assert times["make"]["endTimeUtc"] <= times["show"]["startTimeUtc"] <= times["last"]["startTimeUtc"]


def test_an_unchanged_step_is_reused_and_a_changed_one_is_not(workspace: Any, tmp_path: Path) -> None:
    first = build(workspace, tmp_path).submit("nightly")
    assert ended(first) == "Finished"
    second = build(workspace, tmp_path).submit("nightly")
    assert ended(second) == "Finished"
    made = step(second, "make")
    assert made._is_reused
    assert made._reused_run_id == step(first, "make").id
    assert "shown hellohello" in step(second, "show").get_stdout_log()
    other = build(workspace, tmp_path).submit("nightly", pipeline_parameters={"text": "other"})
    assert ended(other) == "Finished"
    assert not step(other, "make")._is_reused
    again = build(workspace, tmp_path).submit("nightly", regenerate_outputs=True)
    assert ended(again) == "Finished"
    assert not step(again, "make")._is_reused


def test_a_failed_step_fails_the_pipeline(workspace: Any, tmp_path: Path) -> None:
    run = build(workspace, tmp_path).submit("nightly", pipeline_parameters={"how": "fail"})
    assert ended(run) == "Failed"
    assert states(run) == {"make": "Finished", "show": "Failed"}
    assert "made to fail" in step(run, "show").get_details()["error"]["error"]["message"]
    assert "failed steps" in run.get_details()["error"]["error"]["message"]


def test_the_others_go_on_when_asked_to(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", bad="raise SystemExit(1)\n", good="print('good')\n")
    common = {"compute_target": "cpu", "source_directory": folder, "allow_reuse": False}
    bad = PythonScriptStep("bad.py", name="bad", **common)
    after = PythonScriptStep("good.py", name="after", **common)
    after.run_after(bad)
    apart = PythonScriptStep("good.py", name="apart", **common)
    later = PythonScriptStep("good.py", name="later", **common)
    later.run_after(apart)
    run = Pipeline(workspace, [after, later]).submit("nightly", continue_on_step_failure=True)
    assert ended(run) == "Failed"
    assert states(run) == {"bad": "Failed", "apart": "Finished", "later": "Finished"}


def test_cancel(workspace: Any, tmp_path: Path) -> None:
    run = build(workspace, tmp_path).submit("nightly", pipeline_parameters={"how": "wait"})
    until(lambda: "show" in states(run) and "waiting" in step(run, "show").get_stdout_log(), "the step to run")
    run.cancel()
    assert ended(run) == "Canceled"
    assert states(run) == {"make": "Finished", "show": "Canceled"}


def test_a_step_has_a_run_context_and_can_cancel_its_pipeline(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    script = (
        "import time\nfrom azureml.core import Run\nrun = Run.get_context()\nrun.log('rmse', 2)\n"
        "run.parent.log('best', 1)\nrun.flush()\nrun.parent.flush()\nrun.parent.cancel()\ntime.sleep(600)\n"
    )
    folder = project(tmp_path / "src", quit=script)
    only = PythonScriptStep("quit.py", name="quit", compute_target="cpu", source_directory=folder)
    run = Pipeline(workspace, [only]).submit("nightly")
    assert ended(run) == "Canceled"
    assert run.get_metrics() == {"best": 1}
    assert step(run, "quit").get_metrics() == {"rmse": 2}


def test_publish_find_submit_disable(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import PipelineRun, PublishedPipeline

    published = build(workspace, tmp_path).publish("nightly", description="each night", version="12")
    assert [(p.name, p.version) for p in PublishedPipeline.list(workspace)] == [("nightly", "12")]
    run = PublishedPipeline.get(workspace, published.id).submit(workspace, "ci", pipeline_parameters={"text": "x"})
    assert ended(run) == "Finished"
    assert "shown xx" in step(run, "show").get_stdout_log()
    assert [r.id for r in PipelineRun.get_pipeline_runs(workspace, published.id)] == [run.id]
    assert PipelineRun.get(workspace, run.id).experiment.name == "ci"
    assert {node.name for node in run.get_graph().module_nodes} == {"make", "show", "last"}
    published.disable()
    assert PublishedPipeline.list(workspace) == []
    with pytest.raises(Exception, match="disabled"):
        published.submit(workspace, "ci")
    published.enable()
    assert len(PublishedPipeline.list(workspace)) == 1


def test_the_rest_endpoint(workspace: Any, auth: dict[str, str], tmp_path: Path) -> None:
    from azureml.core import Experiment
    from azureml.pipeline.core import PipelineRun

    published = build(workspace, tmp_path).publish("nightly")
    body = {"ExperimentName": "rest", "ParameterAssignments": {"text": "rest"}, "tags": {"by": "hand"}}
    answer = requests.post(published.endpoint, json=body, headers=auth, timeout=30)
    assert answer.status_code == 200
    run = PipelineRun(Experiment(workspace, "rest"), answer.json()["Id"])
    assert ended(run) == "Finished"
    assert run.get_tags()["by"] == "hand"
    wrong = requests.post(
        published.endpoint,
        json={"ExperimentName": "rest", "ParameterAssignments": {"nope": "1"}},
        headers=auth,
        timeout=30,
    )
    assert wrong.status_code == 400
    assert "no parameter nope" in wrong.json()["Error"]["Message"]
    assert requests.post(published.endpoint, json=body, timeout=30).status_code == 401


def test_endpoints_have_versions_and_a_default(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import PipelineEndpoint

    pipeline = build(workspace, tmp_path)
    first = pipeline.publish("one")
    second = pipeline.publish("two")
    endpoint = PipelineEndpoint.publish(workspace, name="prices", pipeline=first, description="x")
    endpoint.add(second)
    assert [(v.version, v.pipeline.id) for v in endpoint.list_versions()] == [("0", first.id), ("1", second.id)]
    assert endpoint.default_version == "0"
    endpoint.set_default_version("1")
    found = PipelineEndpoint.get(workspace, name="prices")
    assert found.default_version == "1"
    assert [e.name for e in PipelineEndpoint.list(workspace)] == ["prices"]
    assert {p.id for p in found.list_pipelines()} == {first.id, second.id}
    assert ended(found.submit("ci", pipeline_version="0")) == "Finished"
    assert ended(found.submit("ci")) == "Finished"
    with pytest.raises(Exception, match="no version"):
        found.submit("ci", pipeline_version="9")
    with pytest.raises(Exception, match="already exists"):
        PipelineEndpoint.publish(workspace, name="prices", pipeline=first, description="x")


def test_a_pipeline_output_has_a_name(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import Pipeline, PipelineData
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", make=MAKE)
    out = PipelineData("out", datastore=workspace.get_default_datastore(), pipeline_output_name="final")
    make = PythonScriptStep(
        "make.py", name="make", arguments=[out, "x"], outputs=[out], compute_target="cpu", source_directory=folder
    )
    run = Pipeline(workspace, [make]).submit("nightly")
    assert ended(run) == "Finished"
    assert run.get_pipeline_output("final").download(str(tmp_path / "got"), show_progress=False) == 1


def test_what_the_rest_interface_tells_of_a_run(
    azure: Any, auth: dict[str, str], workspace: Any, tmp_path: Path
) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/pipelines/v1.0{azure.state.workspace().arm_id}"

    def call(method: str, path: str, body: Any = None) -> requests.Response:
        answer = requests.request(method, base + path, json=body, headers=auth, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer

    run = build(workspace, tmp_path).submit("nightly")
    assert ended(run) == "Finished"
    entity = call("GET", f"/PipelineRuns/{run.id}").json()
    assert entity["Status"]["StatusCode"] == "3"
    names = {item["Name"] for item in call("GET", f"/Graphs/{entity['GraphId']}/Interface").json()["Parameters"]}
    assert names == {"text", "how"}
    assert set(call("POST", f"/PipelineRuns/{run.id}/Graph/AllNodes/StatusCode", []).json().values()) == {"4"}
    every = call("POST", f"/PipelineRuns/{run.id}/Graph/AllNodes/Status", []).json()
    node = next(name for name, status in every.items() if status["RunId"] == step(run, "make").id)
    one = call("POST", f"/PipelineRuns/{run.id}/Graph/Node/Status", [node]).json()
    assert one == every[node]
    assert one["StartTime"] <= one["EndTime"]
    assert "made hello" in call("POST", f"/PipelineRuns/{run.id}/Graph/Shareable/JobLog", [node]).text
    assert call("POST", f"/PipelineRuns/{run.id}/Graph/Shareable/STDERR", [node]).text == ""
    assert (
        requests.post(f"{base}/PipelineRuns/{run.id}/Outputs", json=["x"], headers=auth, timeout=30).status_code == 404
    )
    assert requests.post(f"{base}/PipelineRuns/{run.id}/Outputs", json=7, headers=auth, timeout=30).status_code == 400
    kind = {"Id": "Mine", "Name": "Mine", "Description": "x", "IsDirectory": False, "ParentDataTypeIds": ["AnyFile"]}
    call("POST", "/DataTypes", kind)
    assert "Mine" in {item["Id"] for item in call("GET", "/DataTypes").json()}
    snapshot = step(run, "make").get_properties()["ContentSnapshotId"]
    content = base.replace("pipelines/v1.0", "content/v1.0")
    found = requests.get(f"{content}/snapshots/{snapshot}/metadata", headers=auth, timeout=30).json()
    assert set(found["root"]["children"]) == {"make.py", "show.py", "last.py"}


def test_steps_that_the_fake_does_not_run_are_refused(azure: Any, auth: dict[str, str]) -> None:
    url = f"https://{azure.settings.region}.api.azureml.ms/pipelines/v1.0{azure.state.workspace().arm_id}/Modules"
    body = {"Name": "copy", "ModuleExecutionType": "datatransfercloud", "StepType": "DataTransferStep"}
    answer = requests.post(url, json=body, headers=auth, timeout=30)
    assert answer.status_code == 501
    assert "DataTransferStep" in answer.json()["Error"]["Message"]


def test_a_step_on_several_nodes_is_refused_before_anything_runs(workspace: Any, tmp_path: Path) -> None:
    from azureml.core.compute import ComputeTarget
    from azureml.core.runconfig import MpiConfiguration, RunConfiguration
    from azureml.pipeline.core import Pipeline
    from azureml.pipeline.steps import MpiStep, PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", last="print('never')\n")
    wide = RunConfiguration()
    wide.mpi = MpiConfiguration(node_count=2)
    wide.node_count = 2
    several = PythonScriptStep(
        "last.py", name="wide", compute_target="cpu", source_directory=folder, runconfig=wide, allow_reuse=False
    )
    mpi = MpiStep(
        name="mpi",
        source_directory=folder,
        script_name="last.py",
        compute_target=ComputeTarget(workspace, "cpu"),
        arguments=["x"],
        node_count=2,
        process_count_per_node=1,
    )
    for step_of in (several, mpi):
        with pytest.raises(Exception, match=r"not implemented by this fake|NotImplementedByFake"):
            Pipeline(workspace, [step_of]).submit("nightly")
    assert "nightly" not in workspace.experiments or list(workspace.experiments["nightly"].get_runs()) == []


def test_a_command_step(workspace: Any, tmp_path: Path) -> None:
    from azureml.core import Environment
    from azureml.core.runconfig import RunConfiguration
    from azureml.pipeline.core import Pipeline, PipelineData
    from azureml.pipeline.steps import CommandStep

    cluster(workspace)
    tell = "import os, sys\nprint(os.path.isdir(sys.argv[1]), os.environ['COLOUR'])\n"
    configuration = RunConfiguration()
    configuration.environment = Environment("command")
    configuration.environment_variables = {"COLOUR": "red"}
    out = PipelineData("out", datastore=workspace.get_default_datastore())
    command = CommandStep(
        name="command",
        command=["mkdir", "-p", out, "&&", "echo", "two words", "&&", "python", "tell.py", out],
        outputs=[out],
        compute_target="cpu",
        runconfig=configuration,
        source_directory=project(tmp_path / "src", tell=tell),
    )
    run = Pipeline(workspace, [command]).submit("nightly")
    assert ended(run) == "Finished", step(run, "command").get_stdout_log()
    log = step(run, "command").get_stdout_log()
    assert log.splitlines()[:2] == ["two words", "True red"]


def test_a_graph_that_cannot_run_is_refused(azure: Any, auth: dict[str, str]) -> None:
    base = f"https://{azure.settings.region}.api.azureml.ms/pipelines/v1.0{azure.state.workspace().arm_id}"

    def refused(graph: Any) -> str:
        answer = requests.post(f"{base}/Pipelines/Create", json={"Name": "x", "Graph": graph}, headers=auth, timeout=30)
        assert answer.status_code in (400, 404)
        return str(answer.json()["Error"]["Message"])

    module = requests.post(f"{base}/Modules", json={"Name": "m"}, headers=auth, timeout=30).json()["Id"]
    node = {"Id": "a", "ModuleId": module}
    loop = {
        "SourceOutputPort": {"NodeId": "a", "PortName": "o"},
        "DestinationInputPort": {"NodeId": "a", "PortName": "i"},
    }
    assert "no steps" in refused({})
    assert "was not found" in refused({"ModuleNodes": [{"Id": "a", "ModuleId": "none"}]})
    assert "same id" in refused({"ModuleNodes": [node, node]})
    assert "circle" in refused({"ModuleNodes": [node], "Edges": [loop]})
