"""Train, evaluate and register a model in a pipeline; publish it; find it again by its version and run it."""

import os

from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import Model
from azureml.core.runconfig import RunConfiguration
from azureml.pipeline.core import Pipeline, PipelineData, PipelineParameter, PublishedPipeline
from azureml.pipeline.steps import PythonScriptStep

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = "20260101.1"

ws = Workspace.get(
    name=os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)

try:
    cluster = ComputeTarget(workspace=ws, name="train-cluster")
except ComputeTargetException:
    config = AmlCompute.provisioning_configuration(
        vm_size="STANDARD_DS2_V2", min_nodes=0, max_nodes=4, idle_seconds_before_scaledown=300
    )
    cluster = ComputeTarget.create(ws, "train-cluster", config)
    cluster.wait_for_completion(show_output=True)

run_config = RunConfiguration(
    conda_dependencies=CondaDependencies.create(pip_packages=["azureml-defaults", "scikit-learn", "joblib"])
)
run_config.environment.docker.enabled = True

model_name = PipelineParameter(name="model_name", default_value="diabetes")
alpha = PipelineParameter(name="alpha", default_value=0.5)
trained = PipelineData("trained", datastore=ws.get_default_datastore())

common = {"compute_target": cluster, "source_directory": os.path.join(HERE, "src"), "runconfig": run_config}
train = PythonScriptStep(
    name="Train Model",
    script_name="train.py",
    arguments=["--alpha", alpha, "--model-folder", trained],
    outputs=[trained],
    allow_reuse=False,
    **common,
)
evaluate = PythonScriptStep(
    name="Evaluate Model",
    script_name="evaluate.py",
    arguments=["--model-name", model_name],
    allow_reuse=False,
    **common,
)
register = PythonScriptStep(
    name="Register Model",
    script_name="register.py",
    arguments=["--model-name", model_name, "--model-folder", trained],
    inputs=[trained],
    allow_reuse=False,
    **common,
)
evaluate.run_after(train)
register.run_after(evaluate)

pipeline = Pipeline(workspace=ws, steps=[train, evaluate, register])
pipeline.validate()
published = pipeline.publish(name="training", description="trains the model", version=BUILD)
print(f"Published pipeline {published.name} for build {published.version}")

matches = [p for p in PublishedPipeline.list(ws) if p.name == "training" and p.version == BUILD]
if len(matches) != 1:
    raise SystemExit(f"expected one pipeline for build {BUILD}, found {len(matches)}")

run = Experiment(ws, "training").submit(
    matches[0], tags={"BuildId": BUILD}, pipeline_parameters={"model_name": "diabetes", "alpha": 0.3}
)
run.wait_for_completion(show_output=True)

model = Model(ws, name="diabetes", tags=[["run_id", run.id]])
print(f"Registered {model.name} version {model.version} with alpha {model.tags['alpha']}")

# The second time the new model is not better: the evaluate step cancels the pipeline.
again = Experiment(ws, "training").submit(matches[0], pipeline_parameters={"alpha": 0.3})
print("Second run:", again.wait_for_completion(show_output=False, raise_on_error=False))
print("Versions:", [m.version for m in Model.list(ws, name="diabetes")])
