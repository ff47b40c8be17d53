"""Environment images: state and behaviour, no HTTP."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from fakes.core.errors import AzureError, bad_request
from fakes.core.operations import SUCCEEDED, Operation
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.arm.models import ArmBackend
from fakes.services.blob.models import BlobBackend
from fakes.services.compute.models import Computes
from fakes.services.environments.models import EnvironmentsBackend, EnvironmentVersion
from fakes.services.packages.context import base_image, requirements

Document = dict[str, Any]
KIND = "environment"


@record
class Build:
    """One build of one environment version."""

    environment: str
    version: str
    operation: str
    log_blob: str


class Builds(Backend):
    """Builds of environments of every workspace, by operation."""

    name: ClassVar[str] = "builds"
    exported: ClassVar[tuple[str, ...]] = ("items", "built")

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, Build] = {}
        # Image names by workspace and "name:version", for those that were built.
        self.built: dict[str, dict[str, str]] = {}

    def start(self, workspace: Workspace, name: str, version: str, compute: str | None) -> Operation:
        """Start to build an environment version, on a compute target when one is named."""
        environment = self.state.backend(EnvironmentsBackend).get(workspace, name, version)
        if compute is not None:
            try:
                self.state.backend(Computes).get(workspace, compute)
            except AzureError as error:
                # 404 means to the SDK that the environment is not registered.
                raise bad_request(error.message, "ComputeNotFound") from error
        operation_id = self.state.ids.guid()
        log_blob = f"EnvironmentBuildLogs/{operation_id}/build.log"
        blobs = self.state.backend(BlobBackend)
        blobs.ensure_container(workspace.storage_account, workspace.container)
        lines = self._log(workspace, environment)
        text = "".join(f"{line}\n" for line in lines)
        blobs.put(workspace.storage_account, workspace.container, log_blob, text.encode(), content_type="text/plain")

        def ended(operation: Operation) -> None:
            if operation.status == SUCCEEDED:
                key = f"{environment.name}:{environment.version}"
                self.built.setdefault(workspace.key, {})[key] = image_name(environment)
            elif operation.error:
                message = f"{text}ERROR: {operation.error['message']}\n"
                blobs.put(workspace.storage_account, workspace.container, log_blob, message.encode())

        operation = self.state.operations.start(KIND, name, on_end=ended, operation_id=operation_id)
        self.items[operation.id] = Build(environment.name, environment.version, operation.id, log_blob)
        return operation

    def get(self, operation_id: str) -> Build:
        """Return a build; 400 for an operation that is none."""
        found = self.items.get(operation_id)
        if found is None:
            raise bad_request(f"There is no build {operation_id}.", "BuildNotFound")
        return found

    def image(self, workspace: Workspace, name: str, version: str | None) -> Document:
        """Return the image of an environment version, as it is or will be."""
        environment = self.state.backend(EnvironmentsBackend).get(workspace, name, version)
        key = f"{environment.name}:{environment.version}"
        exists = key in self.built.get(workspace.key, {})
        python = environment.sections.get("python") or {}
        registry = f"{workspace.container_registry}.azurecr.io"
        return {
            "imageExistsInRegistry": exists,
            "dockerImage": {
                "name": image_name(environment),
                "registry": {
                    "address": registry,
                    "username": workspace.container_registry,
                    "password": self.state.backend(ArmBackend).registry_password(workspace),
                },
            },
            "ingredients": {"dockerfile": self._recipe(environment), "condaSpecification": python},
            "pythonEnvironment": {
                "interpreterPath": f"/azureml-envs/azureml_{_stem(environment)}/bin/python",
                "condaEnvironmentName": f"azureml_{_stem(environment)}",
                "condaEnvironmentPath": f"/azureml-envs/azureml_{_stem(environment)}",
            },
        }

    def _recipe(self, environment: EnvironmentVersion) -> str:
        docker = environment.sections.get("docker") or {}
        if docker.get("baseDockerfile"):
            return str(docker["baseDockerfile"])
        return f"FROM {base_image(environment.sections)}\n"

    def _log(self, workspace: Workspace, environment: EnvironmentVersion) -> list[str]:
        steps = [line for line in self._recipe(environment).splitlines() if line.strip()]
        steps += [f"RUN pip install {requirement}" for requirement in requirements(environment.sections)]
        tag = f"{workspace.container_registry}.azurecr.io/{image_name(environment)}"
        return [
            f"Building environment {environment.name} version {environment.version}",
            *[f"Step {number}/{len(steps)} : {step}" for number, step in enumerate(steps, start=1)],
            f"Successfully tagged {tag}",
        ]


def image_name(environment: EnvironmentVersion) -> str:
    """Return the name that an environment's image has in the registry."""
    return f"azureml/azureml_{_stem(environment)}"


def _stem(environment: EnvironmentVersion) -> str:
    text = json.dumps(environment.sections, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
