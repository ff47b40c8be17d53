"""A pipeline endpoint: one address whose default version moves to newer pipelines."""

import os

import requests
from azureml.core import Experiment, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineEndpoint, PipelineParameter, PipelineRun
from azureml.pipeline.steps import PythonScriptStep

ws = Workspace.get(os.environ["WORKSPACE_NAME"], None, os.environ["SUBSCRIPTION_ID"], os.environ["RESOURCE_GROUP"])
cluster = ComputeTarget.create(ws, "cpu", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=1))
cluster.wait_for_completion()
source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "src")


def publish(number):
    size = PipelineParameter("size", default_value=number)
    step = PythonScriptStep(
        "step.py", name="step", arguments=[size], compute_target=cluster, source_directory=source, allow_reuse=False
    )
    return Pipeline(ws, [step]).publish(name=f"sizes-{number}")


endpoint = PipelineEndpoint.publish(workspace=ws, name="sizes", pipeline=publish(1), description="sizes")
endpoint.add_default(publish(2))
print("Versions:", [v.version for v in endpoint.list_versions()], "default:", endpoint.default_version)


def said(run):
    run.wait_for_completion(show_output=False)
    log = run.find_step_run("step")[0].get_stdout_log()
    return next(line for line in log.splitlines() if line.startswith("size"))


endpoint = PipelineEndpoint.get(workspace=ws, name="sizes")
print("Default says", said(endpoint.submit("endpoints")))
print("Version 0 says", said(endpoint.submit("endpoints", pipeline_version="0")))
print("With a parameter:", said(endpoint.submit("endpoints", pipeline_parameters={"size": 7})))

answer = requests.post(
    endpoint.endpoint,
    headers=ws._auth_object.get_authentication_header(),
    json={"ExperimentName": "endpoints", "ParameterAssignments": {"size": "9"}},
)
print("By REST:", said(PipelineRun(Experiment(ws, "endpoints"), answer.json()["Id"])))
endpoint.disable()
print("Active endpoints:", [e.name for e in PipelineEndpoint.list(ws)])
