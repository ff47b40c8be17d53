"""Steps that hand data on: a data reference in, pipeline data between steps, a registered data set out."""

import os

from azureml.core import Dataset, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data import OutputFileDatasetConfig
from azureml.data.data_reference import DataReference
from azureml.pipeline.core import Pipeline, PipelineData
from azureml.pipeline.steps import PythonScriptStep

here = os.path.dirname(os.path.abspath(__file__))
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()

store = ws.get_default_datastore()
store.upload_files([os.path.join(here, "data", "prices.csv")], target_path="prices", overwrite=True)

raw = DataReference(datastore=store, data_reference_name="raw", path_on_datastore="prices/prices.csv")
clean = PipelineData("clean", datastore=store)
result = OutputFileDatasetConfig("result", destination=(store, "results/{run-id}")).register_on_complete("mean_prices")

source = os.path.join(here, "src")
extract = PythonScriptStep(
    "extract.py",
    name="extract",
    arguments=["--raw", raw, "--clean", clean],
    inputs=[raw],
    outputs=[clean],
    compute_target=cluster,
    source_directory=source,
)
average = PythonScriptStep(
    "average.py",
    name="average",
    arguments=["--clean", clean, "--result", result],
    inputs=[clean],
    compute_target=cluster,
    source_directory=source,
)
pipeline = Pipeline(workspace=ws, steps=[average])
print("Problems found by validation:", pipeline.validate())
run = Experiment(ws, "data-dependency").submit(pipeline)
run.wait_for_completion(show_output=False)
print("Steps:", {s.name: s.get_status() for s in run.get_steps()})

paths = Dataset.get_by_name(ws, "mean_prices").download(target_path="means", overwrite=True)
with open(paths[0]) as file:
    print("Mean price:", file.read())

again = Experiment(ws, "data-dependency").submit(pipeline)
again.wait_for_completion(show_output=False)
print("Reused the second time:", sorted(s.name for s in again.get_steps() if s._is_reused))
