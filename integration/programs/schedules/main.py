"""Run a pipeline by time, and whenever data changes; switch the schedules off again."""

import os
import time

from azureml.core import Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, Schedule, ScheduleRecurrence
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()
step = PythonScriptStep(
    "retrain.py",
    name="retrain",
    compute_target=cluster,
    source_directory=os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"),
)
published = Pipeline(ws, [step]).publish(name="retraining")

hourly = Schedule.create(
    ws,
    name="hourly",
    description="each hour",
    pipeline_id=published.id,
    experiment_name="retraining",
    recurrence=ScheduleRecurrence(frequency="Hour", interval=1),
    wait_for_provisioning=True,
    wait_timeout=60,
)
on_data = Schedule.create(
    ws,
    name="on-new-data",
    pipeline_id=published.id,
    experiment_name="retraining",
    datastore=ws.get_default_datastore(),
    polling_interval=5,
    path_on_datastore="incoming",
)

for _ in range(60):
    runs = hourly.get_pipeline_runs()
    if runs:
        break
    time.sleep(1)
runs[0].wait_for_completion(show_output=False)
print("The first run of the hourly schedule:", runs[0].get_status())
print("Schedules:", sorted(s.name for s in Schedule.list(ws)))
print("The next one watches", on_data.path_on_datastore, "every", on_data.polling_interval, "minutes")

for schedule in Schedule.get_schedules_for_pipeline_id(ws, published.id):
    schedule.disable(wait_for_provisioning=True)
print("Active after disabling:", Schedule.list(ws, active_only=True))
