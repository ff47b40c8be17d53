"""Register a model and deploy it as a web service on Container Instances; call it; delete it."""

import json
import os
import platform

import joblib
import requests
import sklearn
from azureml.core import Environment, Model, Workspace
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AciWebservice, Webservice
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

here = os.path.dirname(os.path.abspath(__file__))
ws = Workspace.get(
    os.environ["WORKSPACE_NAME"],
    subscription_id=os.environ["SUBSCRIPTION_ID"],
    resource_group=os.environ["RESOURCE_GROUP"],
)
X, y = load_diabetes(return_X_y=True)
joblib.dump(Ridge().fit(X, y), "ridge.pkl")
model = Model.register(ws, model_path="ridge.pkl", model_name="ridge", tags={"area": "diabetes"})

environment = Environment("deploy")
# What the model was made with is what it is loaded with.
environment.python.conda_dependencies = CondaDependencies.create(
    python_version=platform.python_version(),
    pip_packages=["azureml-defaults", f"scikit-learn=={sklearn.__version__}"],
)
inference = InferenceConfig(
    entry_script="score.py", source_directory=os.path.join(here, "src"), environment=environment
)
service = Model.deploy(
    workspace=ws,
    name="ridge-service",
    models=[model],
    inference_config=inference,
    deployment_config=AciWebservice.deploy_configuration(cpu_cores=1, memory_gb=1, auth_enabled=True),
)
service.wait_for_deployment(show_output=True)
print("State:", service.state)

request = json.dumps({"data": X[:2].tolist()})
print("Predictions:", len(service.run(request)["result"]))
key, _ = service.get_keys()
answer = requests.post(
    service.scoring_uri,
    data=request,
    headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
)
print("By HTTP:", answer.status_code, "without a key:", requests.post(service.scoring_uri, data=request).status_code)
service.delete()
print("Services left:", Webservice.list(ws))
