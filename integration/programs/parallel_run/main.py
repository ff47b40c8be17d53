"""Score many files in mini-batches with ParallelRunStep."""

import os

from azureml.core import Dataset, Environment, Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data import OutputFileDatasetConfig
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.steps import ParallelRunConfig, ParallelRunStep

here = os.path.dirname(os.path.abspath(__file__))
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
cluster.wait_for_completion()

store = ws.get_default_datastore()
os.makedirs("texts", exist_ok=True)
for number in range(7):
    with open(f"texts/{number}.txt", "w") as file:
        file.write("word " * number)
store.upload("texts", target_path="texts", overwrite=True, show_progress=False)
texts = Dataset.File.from_files((store, "texts/*.txt")).register(ws, "texts", create_new_version=True)

output = OutputFileDatasetConfig(name="inferences", destination=(store, "inferences"))
config = ParallelRunConfig(
    environment=Environment("batch"),
    entry_script="count.py",
    source_directory=os.path.join(here, "src"),
    output_action="append_row",
    append_row_file_name="counts.txt",
    mini_batch_size=PipelineParameter(name="batch_size_param", default_value="3"),
    error_threshold=1,
    compute_target=cluster,
    process_count_per_node=PipelineParameter(name="process_count_param", default_value=2),
    node_count=1,
)
step = ParallelRunStep(
    name="count-words",
    inputs=[texts.as_named_input("texts")],
    output=output,
    parallel_run_config=config,
    arguments=["--unit", "words"],
    allow_reuse=False,
)
run = Experiment(ws, "counting").submit(Pipeline(workspace=ws, steps=[step]))
run.wait_for_completion(show_output=True)

store.download(target_path="result", prefix="inferences", overwrite=True, show_progress=False)
with open(os.path.join("result", "inferences", "counts.txt")) as file:
    rows = sorted(line.strip() for line in file)
print(len(rows), "rows, the last:", rows[-1])
