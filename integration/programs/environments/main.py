"""Environments: from a conda file, by hand, registered, versioned, and used for a run."""

import os

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies

here = os.path.dirname(os.path.abspath(__file__))
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)

training = Environment.from_conda_specification(name="training", file_path=os.path.join(here, "conda.yml"))
first = training.register(workspace=ws)
print("Registered", first.name, first.version)

by_hand = Environment("by-hand")
packages = CondaDependencies()
packages.add_conda_package("scikit-learn")
packages.add_pip_package("joblib")
by_hand.python.conda_dependencies = packages
by_hand.environment_variables = {"GREETING": "from the environment"}
by_hand.register(ws)

training.python.conda_dependencies.add_pip_package("pyyaml")
second = training.register(ws)
print("Changed:", second.version, "latest:", Environment.get(ws, "training").version)
print(
    "The first still has",
    len(list(Environment.get(ws, "training", version="1").python.conda_dependencies.pip_packages)),
)
print("Mine:", sorted(name for name in Environment.list(ws) if not name.startswith("AzureML")))

cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()
config = ScriptRunConfig(
    source_directory=os.path.join(here, "src"),
    script="show.py",
    compute_target=cluster,
    environment=Environment.get(ws, "by-hand"),
)
run = Experiment(ws, "environments").submit(config)
run.wait_for_completion()
run.download_file("user_logs/std_log.txt", "log.txt")
with open("log.txt") as file:
    print("The script sees:", file.readline().strip())
