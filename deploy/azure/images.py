"""Images built by Azure ML into the workspace's container registry."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from deploy.azure.common import message, ours
from deploy.azure.inference import inference_config
from deploy.content import check
from deploy.errors import DeployError, DeployFailed, DeployTimeout, EngineUnavailable
from deploy.images import Image, ImageBuilder, PackageRequest, Progress
from registry.azure.workspace import AzureWorkspace, quiet, translated
from registry.errors import RegistryError

POLL_SECONDS = 5.0


class AzureImageBuilder(ImageBuilder):
    """``Model.package``: the registered model, the entry script and the environment, built in the cloud.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    timeout : float
        Seconds until a build counts as failed.
    """

    def __init__(self, workspace: AzureWorkspace, *, timeout: float = 1800.0) -> None:
        self._workspace = workspace
        self._timeout = timeout

    def build(self, request: PackageRequest, *, progress: Progress | None = None) -> Image:
        from azureml.core import Model

        check(request)
        say = progress or (lambda line: None)
        label = f"{request.model.version}-{request.model.digest.removeprefix('sha256:')[:12]}"
        try:
            with translated(f"packaging {request.model.reference}"), inference_config(request) as inference:
                model = Model(self._workspace.sdk, id=request.model.reference)
                say(f"building the image of {request.model.reference} in the workspace's registry")
                package = Model.package(
                    self._workspace.sdk,
                    [model],
                    inference,
                    image_name=request.model.name.lower(),
                    image_label=label,
                )
        except RegistryError as error:
            raise EngineUnavailable(str(error), hint=error.hint) from error
        self._wait(package, request)
        if package.state != "Succeeded":
            raise DeployFailed(
                f"the image of {request.model.reference} was not built: {message(package.error or package.state)}",
                phase="build",
                logs=_log(package),
                hint="the whole log is in the portal",  # its address carries a signature: not for logs
            )
        # The SDK tells no content digest; the label carries the model's.
        return Image(
            reference=package.location, digest="", model=request.model.reference, model_digest=request.model.digest
        )

    def _wait(self, package: Any, request: PackageRequest) -> None:
        """Wait until the build has ended; the SDK's own way to wait has no end."""
        deadline = time.monotonic() + self._timeout
        while package.state in ("NotStarted", "Running"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeployTimeout(
                    f"the image of {request.model.reference} was not built within {self._timeout:g} s",
                    phase="build",
                    logs=_log(package),
                    hint="Azure goes on building: package again later, or raise MLOPS_AZURE_KEEP_ALIVE",
                )
            time.sleep(min(POLL_SECONDS, left))
            with ours(f"the image of {request.model.reference}"):
                package.update_creation_state()

    def push(self, image: Image, repository: str, *, progress: Progress | None = None) -> Image:
        raise DeployError(
            f"{image.reference} is in the workspace's registry already",
            hint=f"copy it with: az acr import --source {image.reference} --name REGISTRY",
        )


def _log(package: Any) -> str:
    with contextlib.suppress(Exception), quiet():
        return "\n".join(str(package.get_logs()).splitlines()[-20:])
    return ""
