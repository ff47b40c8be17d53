"""Train a scikit-learn model on a compute cluster with ScriptRunConfig, register it, use it."""

import os

import joblib
from azureml.core import Environment, Experiment, Model, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
from azureml.core.conda_dependencies import CondaDependencies

here = os.path.dirname(os.path.abspath(__file__))
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
try:
    target = ComputeTarget(workspace=ws, name="cpu-cluster")
    print("Found existing compute target")
except ComputeTargetException:
    print("Creating a new compute target...")
    target = ComputeTarget.create(
        ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=4)
    )
    target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)

environment = Environment("sklearn-env")
environment.python.conda_dependencies = CondaDependencies.create(
    pip_packages=["azureml-defaults", "scikit-learn", "joblib"]
)
config = ScriptRunConfig(
    source_directory=os.path.join(here, "src"),
    script="train_iris.py",
    arguments=["--kernel", "linear", "--penalty", 1.0],
    compute_target=target,
    environment=environment,
)
run = Experiment(ws, "train-iris").submit(config)
run.wait_for_completion(show_output=True)
print("Metrics:", sorted(run.get_metrics()))
print("Files:", sorted(run.get_file_names()))

model = run.register_model(
    model_name="sklearn-iris",
    model_path="outputs/model.joblib",
    model_framework=Model.Framework.SCIKITLEARN,
    properties={"accuracy": run.get_metrics()["Accuracy"]},
)
path = Model(ws, "sklearn-iris").download(target_dir="download", exist_ok=True)
print("Prediction:", joblib.load(path).predict([[6.2, 3.4, 5.4, 2.3]]).tolist(), "by version", model.version)
