"""Manage runs: start, fail, cancel, children, tags and searches."""

import os

from azureml.core import Environment, Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget

ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
experiment = Experiment(workspace=ws, name="explore-runs")

with experiment.start_logging(snapshot_directory=None) as parent:
    parent.log("phase", "parent")
    for child in parent.create_children(count=3):
        child.log("number", int(child.id[-1], 16))
        child.complete()
    with parent.child_run(name="by hand") as child:
        child.log("ok", True)
print("Children:", len(list(parent.get_children())), "with status", {c.get_status() for c in parent.get_children()})

failing = experiment.start_logging(snapshot_directory=None)
failing.fail(error_details="nothing to do", error_code="Empty")
print("Failed:", failing.get_status(), failing.get_details()["error"]["error"]["message"])

cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()
source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "src")
config = ScriptRunConfig(
    source_directory=source, script="wait.py", compute_target=cluster, environment=Environment("manage")
)
waiting = experiment.submit(config, tags={"quality": "bad"})
print("Submitted with tags", waiting.get_tags()["quality"])
waiting.cancel()
waiting.wait_for_completion(raise_on_error=False)
print("Canceled:", waiting.get_status())

parent.tag("quality", "good")
print("Good ones:", [run.id == parent.id for run in experiment.get_runs(tags={"quality": "good"})])
print("Failed ones:", len(list(Run.list(experiment, status="Failed"))))
print("All with children:", len(list(experiment.get_runs(include_children=True))))
