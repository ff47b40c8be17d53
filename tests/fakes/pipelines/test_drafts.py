"""Drafts of pipelines and modules with versions, through the unmodified SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.jobs import cluster, ended, project

pytestmark = pytest.mark.azure


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipeline(workspace: Any, tmp_path: Path) -> Any:
    from azureml.pipeline.core import Pipeline, PipelineParameter
    from azureml.pipeline.steps import PythonScriptStep

    cluster(workspace)
    folder = project(tmp_path / "src", show="import sys\nprint('shown', sys.argv[1:])\n")
    text = PipelineParameter("text", "one")
    step = PythonScriptStep("show.py", name="show", arguments=[text], compute_target="cpu", source_directory=folder)
    return Pipeline(workspace, [step])


def shown(run: Any) -> str:
    assert ended(run) == "Finished"
    return str(run.find_step_run("show")[0].get_stdout_log())


def test_a_draft_is_made_changed_run_published_and_removed(workspace: Any, pipeline: Any) -> None:
    from azureml.pipeline.core import PipelineDraft

    draft = PipelineDraft.create(
        workspace, pipeline=pipeline, name="try", description="x", experiment_name="drafts", tags={"a": "1"}
    )
    assert [d.id for d in PipelineDraft.list(workspace, tags={"a": "1"})] == [draft.id]
    assert PipelineDraft.list(workspace, tags={"a": "2"}) == []
    assert "shown ['one']" in shown(draft.submit_run())
    draft.update(pipeline=pipeline)
    draft.update(name="tried", pipeline_parameters={"text": "two"}, tags={"a": "3"})
    found = PipelineDraft.get(workspace, draft.id)
    assert (found.name, found.tags) == ("tried", {"a": "3"})
    assert "shown ['two']" in shown(found.submit_run())
    assert [node.name for node in found.get_graph().module_nodes] == ["show"]
    published = found.publish()
    assert "shown ['two']" in shown(published.submit(workspace, "drafts"))
    found.delete()
    assert PipelineDraft.list(workspace) == []


def test_drafts_are_cloned_from_drafts_runs_and_published_pipelines(workspace: Any, pipeline: Any) -> None:
    from azureml.pipeline.core import PipelineDraft

    draft = PipelineDraft.create(workspace, pipeline=pipeline, name="try", experiment_name="drafts")
    copy = PipelineDraft.create(workspace, pipeline=draft, name="copy")
    assert copy.parent_pipeline_draft_id == draft.id
    run = pipeline.submit("drafts", pipeline_parameters={"text": "run"})
    ended(run)
    from_run = PipelineDraft.create(workspace, pipeline=run, name="of a run")
    assert from_run.parent_pipeline_run_id == run.id
    assert "shown ['run']" in shown(from_run.submit_run())
    published = pipeline.publish("p")
    assert PipelineDraft.create(workspace, pipeline=published, name="p").parent_pipeline_id == published.id


def test_a_module_has_versions(workspace: Any, tmp_path: Path) -> None:
    from azureml.pipeline.core import Module, Pipeline, PipelineData
    from azureml.pipeline.core.graph import OutputPortDef
    from azureml.pipeline.steps import ModuleStep

    cluster(workspace)
    make = "import os, sys\nos.makedirs(sys.argv[2])\nprint('made', sys.argv[1:2] + sys.argv[3:])\n"
    folder = project(tmp_path / "src", make=make)
    module = Module.create(workspace, name="maker", description="makes")
    out = OutputPortDef("out", default_datastore_name="workspaceblobstore", default_datastore_mode="mount")
    module.publish_python_script(
        "make.py",
        "the first",
        inputs=[],
        outputs=[out],
        params={},
        version="1",
        source_directory=folder,
        arguments=["--out", out],
    )
    found = Module.get(workspace, name="maker")
    assert [v.version for v in found.module_version_list()] == ["1"]
    store = workspace.get_default_datastore()
    result, other = PipelineData("result", datastore=store), PipelineData("other", datastore=store)
    own = ModuleStep(module=found, version="1", outputs_map={"out": result}, compute_target="cpu")
    given = ModuleStep(
        module=found, outputs_map={"out": other}, arguments=["--there", other, "more"], compute_target="cpu"
    )
    run = Pipeline(workspace, [own, given]).submit("modules")
    assert ended(run) == "Finished", [s.get_details().get("error") for s in run.get_steps()]
    logs = sorted(s.get_stdout_log() for s in run.get_steps())
    assert "made ['--out']" in logs[0]
    assert "made ['--there', 'more']" in logs[1]
    found.resolve("1").disable()
    assert found.resolve("1").status == "Disabled"
    found.disable()
    assert Module.get(workspace, module_id=module.id).status == "Disabled"
