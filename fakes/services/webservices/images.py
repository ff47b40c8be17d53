"""Images of an ``environmentImageRequest``: checked, named by what is in them, and made of artifacts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, ClassVar

from fakes.core.errors import AzureError, bad_request
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.hosting.errors import HostError
from fakes.hosting.layout import ModelFiles
from fakes.services.environments.models import RESERVED, EnvironmentsBackend
from fakes.services.webservices import sources

Document = dict[str, Any]
_MODEL_ID = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,254}):(?P<version>\d+)")


@record
class Image:
    """One image in a workspace's registry."""

    location: str
    workspace: str
    digest: str
    created: str
    log: str
    models: list[str]
    environment: str


class Images(Backend):
    """The images that services and packages were built into."""

    name: ClassVar[str] = "images"
    exported: ClassVar[tuple[str, ...]] = ("items",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, Image] = {}

    def all(self, workspace: Workspace) -> list[Image]:
        """Return the images of a workspace."""
        return [image for image in self.items.values() if image.workspace == workspace.key]

    def forget(self, workspace: Workspace) -> None:
        """Forget the images of a workspace that is deleted."""
        for name in [name for name, image in self.items.items() if image.workspace == workspace.key]:
            del self.items[name]

    def check(self, workspace: Workspace, request: object) -> None:
        """Raise when no image can be made of a request."""
        if not isinstance(request, dict):
            raise bad_request("The request has no environmentImageRequest.", "InvalidImageRequest")
        if not isinstance(request.get("environment"), dict):
            raise bad_request(
                "The image request has no environment: the fake does not deploy without an InferenceConfig.",
                "EnvironmentRequired",
            )
        assets = request.get("assets")
        if not isinstance(assets, list) or not assets:
            raise bad_request("The image request has no assets: no entry script.", "InvalidImageRequest")
        for model_id in request.get("modelIds") or []:
            self._check_model(workspace, model_id)

    def _check_model(self, workspace: Workspace, model_id: object) -> None:
        """Raise 400 when there is no registered model ``name:version``."""
        match = _MODEL_ID.fullmatch(str(model_id))
        try:
            if match is None:
                raise bad_request(f"'{model_id}' is not a model id.")
            sources.check(self.state, workspace, str(model_id))
        except AzureError as error:
            message = f"Model with id {model_id} not found in workspace {workspace.name}."
            raise bad_request(
                "The request is invalid.", "BadRequest", details=[{"code": "ModelNotFound", "message": message}]
            ) from error

    def location(self, workspace: Workspace, request: Document) -> str:
        """Return the address in the workspace's registry of the image that `request` makes."""
        stem = hashlib.md5(_canonical(request["environment"]), usedforsecurity=False).hexdigest()
        return f"{workspace.container_registry}.azurecr.io/azureml/azureml_{stem}"

    def model_files(self, workspace: Workspace, model_ids: Iterable[str]) -> list[ModelFiles]:
        """Return where the files of models are kept."""
        return [sources.files(self.state, workspace, model_id) for model_id in model_ids]

    def read(self, workspace: Workspace) -> Any:
        """Return how to read artifacts of a workspace."""
        return sources.reader(self.state, workspace)

    def register_environment(self, workspace: Workspace, request: Document) -> Document:
        """Register the environment of a request, as Azure does before it builds; return it with its version.

        A version that exists stays what it is. Curated environments and definitions without a name are left alone.

        Raises
        ------
        HostError
            It is no environment that can be registered.
        """
        environment: Document = request["environment"]
        name, version = environment.get("name"), environment.get("version")
        if not isinstance(name, str) or not name or name.casefold().startswith(RESERVED):
            return environment
        registered = self.state.backend(EnvironmentsBackend)
        with self.state.lock:
            try:
                made = registered.get(workspace, name, version) if version else None
            except AzureError:
                made = None
            try:
                made = made or registered.register(workspace, name, environment, version)
            except AzureError as error:
                raise HostError(f"the environment {name} cannot be registered: {error.message}") from error
        return {**environment, "version": made.version}

    def remember(self, workspace: Workspace, request: Document, location: str, log: str) -> tuple[Image, bool]:
        """Note that an image was built; tells whether it is new."""
        known = self.items.get(location)
        if known is not None:
            return known, False
        environment = request.get("environment") or {}
        image = Image(
            location=location,
            workspace=workspace.key,
            digest=f"sha256:{hashlib.sha256(_canonical(request)).hexdigest()}",
            created=self.state.clock.iso(),
            log=log,
            models=[str(m) for m in request.get("modelIds") or []],
            environment=f"{environment.get('name')}:{environment.get('version')}",
        )
        self.items[location] = image
        return image, True


def _canonical(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
