"""Train on this machine with the same ScriptRunConfig as on a cluster, tracked in the workspace."""

import os
import sys

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

ws = Workspace.from_config()
environment = Environment("user-managed")
environment.python.user_managed_dependencies = True
environment.python.interpreter_path = sys.executable

config = ScriptRunConfig(
    source_directory=os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"),
    script="train.py",
    arguments=["--alpha", 0.2],
    compute_target="local",
    environment=environment,
)
run = Experiment(workspace=ws, name="train-on-local").submit(config)
run.wait_for_completion(show_output=True)
print("Status:", run.get_status(), "metrics:", sorted(run.get_metrics()))
print("Files:", sorted(run.get_file_names()))

failing = Experiment(ws, "train-on-local").submit(
    ScriptRunConfig(config.source_directory, script="fail.py", compute_target="local", environment=environment)
)
failing.wait_for_completion(raise_on_error=False)
print("Failing one:", failing.get_status())
