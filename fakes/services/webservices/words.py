"""What Azure says when a deployment fails. Sources: public issue threads, one a message.

* crash, ACI and AKS: https://github.com/microsoft/computervision-recipes/issues/332,
  https://github.com/microsoft/Azure-Solution-Accelerator-Customer-Complaint-Management/issues/6
* error in the entry script: https://github.com/microsoft/azuredevopslabs/issues/562
* time-out: https://github.com/Azure/MachineLearningNotebooks/issues/808 (ACI) and .../1767 (AKS)
* no server in the image: ``azureml._model_management._util._raise_for_container_failure`` (azureml-core 1.61) and
  https://github.com/microsoft/MLOpsPython/issues/261
* name taken: https://github.com/Sweetflowerjulia/NLP-tag-classification-with-GloVe-and-LSTM/issues/1
* overloaded, no replica, connection closed: https://github.com/MicrosoftDocs/azure-docs/issues/68044,
  https://github.com/Azure/MachineLearningNotebooks/issues/1004 and .../450
"""

from __future__ import annotations

from fakes.core.transitions import Failure

ACI, AKS, ENDPOINT = "ACI", "AKS", "AKSENDPOINT"
TIMED_OUT = "DeploymentTimedOut"

_DEBUG = "https://docs.microsoft.com/azure/machine-learning/how-to-debug-visual-studio-code#debug-and-troubleshoot-deployments"


def crashed(compute_type: str, service: str, image: str, cause: str | None) -> Failure:
    """The container ended: with an error in the entry script that the log names, or without one."""
    if cause is not None:
        why = f"Error in entry script, {cause}, please run print(service.get_logs()) to get details."
    else:
        why = (
            "Your container application crashed. This may be caused by errors in your scoring file's init() function.\n"
            f"\t1. Please check the logs for your container instance: {service}. From the AML SDK, you can run "
            "print(service.get_logs()) if you have service object to fetch the logs.\n"
            f"\t2. You can interactively debug your scoring file locally. Please refer to {_DEBUG} for more "
            "information.\n"
            f"\t3. You can also try to run image {image} locally. Please refer to "
            "https://aka.ms/debugimage#service-launch-fails for more information."
        )
    details = ({"code": "CrashLoopBackOff", "message": why},)
    if compute_type == ACI:
        return Failure("AciDeploymentFailed", f"Aci Deployment failed with exception: {why}", 400, details)
    return Failure("KubernetesDeploymentFailed", "Kubernetes Deployment failed", 400, details)


def no_server(lacking: str, setting: str) -> str:
    """The log of a container whose image has nothing that serves the entry script."""
    if lacking == "gunicorn":
        said = ["exec: gunicorn: not found", "gunicorn/finish 127 0", "Exit code 127 is not normal. Killing image."]
    else:
        said = [f"ModuleNotFoundError: No module named '{lacking}'", "Worker exiting (pid: 37)"]
        said += ["Shutting down: Master", "Reason: Worker failed to boot.", "gunicorn/finish 3 0"]
        said += ["Exit code 3 is not normal. Killing image."]
    said.append(
        "fakes: the environment declares neither azureml-defaults nor azureml-inference-server-http, which bring the "
        f"server of Azure's images. Declare azureml-defaults, or set {setting}."
    )
    return "".join(f"{line}\n" for line in said)


def timed_out(compute_type: str, service: str, service_id: str, seconds: float) -> Failure:
    """The container did not become ready in time; it is still being tried."""
    if compute_type == ACI:
        message = (
            "The deployment operation polling has TimedOut. The service creation is taking longer than our normal "
            "time. We are still trying to achieve the desired state for the web service. Please check the webservice "
            "state for the current webservice health. You can run print(service.state) from the python SDK to "
            "retrieve the current state of the webservice."
        )
    else:
        whole = int(seconds)
        message = (
            "Timed out waiting for AKS deployment to complete. pollTimeout : "
            f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d} serviceName: {service} "
            f"serviceId: {service_id}"
        )
    return Failure(TIMED_OUT, message, 504)


def image_failed(message: str) -> Failure:
    """What the image is made of cannot be had."""
    return Failure("ImageBuildFailed", message, 400, ({"code": "ImageBuildFailed", "message": message},))


def exists(subscription: str, service: str, compute_type: str) -> str:
    """The name is taken."""
    if compute_type == ACI:
        return f"Subscription {subscription} already contains an ACI Container Group with name {service}"
    return f"Service {service} with the same name already exists, please use a different service name or delete it."


def overloaded(service: str) -> str:
    """Every replica is busy and the queue time is over (503)."""
    return f"Too many requests for service {service} (overloaded)"


def no_replica(service: str) -> str:
    """No container is ready (503)."""
    return f"No ready replicas for service {service}"


CLOSED = "Replica closed connection before replying"
ACI_TIMEOUT = (
    "Post http://localhost:5001/score: net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
)
STAGES = {
    "registry": "Creating Container Registry if not exists.",
    "environment": "Registering the environment.",
    "reuse": "Use the existing image.",
    "build": "Building image..",
    "configuration": "Generating deployment configuration.",
    "submit": "Submitting deployment to compute.",
    "check": "Checking the status of deployment {name}..",
    "endpoint": "Checking the status of inference endpoint {name}.",
}
