"""A published pipeline whose data set is a parameter: run it with another data set."""

import os

from azureml.core import Dataset, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import RunConfiguration
from azureml.data.dataset_consumption_config import DatasetConsumptionConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()
store = ws.get_default_datastore()


def table(name, rows):
    os.makedirs(name, exist_ok=True)
    with open(f"{name}/{name}.csv", "w") as file:
        file.write("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    store.upload(name, target_path=name, overwrite=True, show_progress=False)
    return Dataset.Tabular.from_delimited_files((store, f"{name}/{name}.csv")).register(ws, name)


small = table("small", [(1, 2), (3, 4)])
large = table("large", [(n, n * n) for n in range(100)])

# A step that makes data frames needs pandas; azureml-defaults does not bring it.
configuration = RunConfiguration()
configuration.environment.python.conda_dependencies = CondaDependencies.create(
    pip_packages=["azureml-defaults", "azureml-dataset-runtime[pandas,fuse]"]
)
parameter = PipelineParameter(name="tabular_ds_param", default_value=small)
consumption = DatasetConsumptionConfig("tabular_dataset", parameter)
step = PythonScriptStep(
    "summarize.py",
    name="summarize",
    arguments=["--title", "rows", "--data", consumption],
    inputs=[consumption],
    compute_target=cluster,
    runconfig=configuration,
    source_directory=os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"),
)
pipeline = Pipeline(ws, [step])


def said(run):
    run.wait_for_completion(show_output=False)
    log = run.find_step_run("summarize")[0].get_stdout_log()
    return next(line for line in log.splitlines() if line.startswith("rows"))


print("Default data set:", said(Experiment(ws, "parameters").submit(pipeline)))
published = pipeline.publish(name="summaries")
print("Other data set:", said(published.submit(ws, "parameters", pipeline_parameters={"tabular_ds_param": large})))
