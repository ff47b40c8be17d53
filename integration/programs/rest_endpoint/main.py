"""Start a published pipeline by its REST endpoint, as any program can, and follow the run."""

import os

import requests
from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.pipeline.core import Pipeline, PipelineParameter
from azureml.pipeline.core.run import PipelineRun
from azureml.pipeline.steps import PythonScriptStep

auth = ServicePrincipalAuthentication(
    tenant_id=os.environ["TENANT_ID"],
    service_principal_id=os.environ["SP_APP_ID"],
    service_principal_password=os.environ["SP_APP_SECRET"],
)
ws = Workspace(
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
    workspace_name=os.environ["WORKSPACE_NAME"],
    auth=auth,
)
cluster = ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2))
cluster.wait_for_completion()

greeting = PipelineParameter(name="greeting", default_value="hello")
step = PythonScriptStep(
    script_name="greet.py",
    name="greet",
    arguments=["--greeting", greeting],
    compute_target=cluster,
    source_directory=os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"),
    allow_reuse=False,
)
published = Pipeline(ws, steps=[step]).publish(name="greeter", description="greets")

response = requests.post(
    published.endpoint,
    headers=auth.get_authentication_header(),
    json={
        "ExperimentName": "rest",
        "RunSource": "SDK",
        "ParameterAssignments": {"greeting": "good day"},
    },
)
response.raise_for_status()
run_id = response.json()["Id"]
print("Submitted pipeline run", run_id)

run = PipelineRun(ws.experiments["rest"], run_id)
run.wait_for_completion(show_output=False)
log = run.find_step_run("greet")[0].get_stdout_log()
print("The step said:", next(line for line in log.splitlines() if "day" in line))

refused = requests.post(published.endpoint, json={"ExperimentName": "rest"})
print("Without a token:", refused.status_code)
