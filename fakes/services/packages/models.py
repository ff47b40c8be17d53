"""Model packages: state and behaviour, no HTTP."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

from fakes.core.errors import bad_request
from fakes.core.folders import new_folder
from fakes.core.operations import Operation
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.hosting.errors import HostError
from fakes.hosting.layout import Layout, lay_out
from fakes.services.blob.models import BlobBackend
from fakes.services.containerregistry.engine import push
from fakes.services.packages import context, local
from fakes.services.webservices import words
from fakes.services.webservices.images import Images

Document = dict[str, Any]
KIND = "package"
IMAGE, CONTEXT = "DockerImage", "DockerBuildContext"
# Repository names and tags as container registries take them (OCI distribution specification).
_REPOSITORY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@record
class Package:
    """One package: where its image or its manifest is, and where its log is."""

    operation: str
    type: str
    location: str
    log_blob: str
    models: list[str]
    created: str


class Packages(Backend):
    """The packages of every workspace.

    Attributes
    ----------
    local_images : bool
        Also build a real image with the local Docker engine, tagged with the package's location, and serve it from the
        faked registry.
    local_base : str or None
        Base image for that, in place of the environment's.
    """

    name: ClassVar[str] = "packages"
    exported: ClassVar[tuple[str, ...]] = ("items", "local_images", "local_base")

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, list[Package]] = {}
        self.local_images = False
        self.local_base: str | None = None

    def all(self, workspace: Workspace) -> list[Package]:
        """Return the packages of a workspace, oldest first."""
        return list(self.items.get(workspace.key, []))

    def create(self, workspace: Workspace, document: Document) -> Operation:
        """Start to make a package."""
        request = document.get("imageRequest")
        kind = document.get("packageType")
        if kind not in (IMAGE, CONTEXT):
            raise bad_request(f"packageType must be {IMAGE} or {CONTEXT}, not {kind!r}.", "InvalidPackageType")
        self.state.backend(Images).check(workspace, request)
        assert isinstance(request, dict)  # noqa: S101 - checked above
        name = str(document.get("imageName") or "package")
        label = str(document.get("imageLabel") or self.state.clock.now().strftime("%Y%m%d%H%M%S"))
        if not _REPOSITORY.fullmatch(name) or not _TAG.fullmatch(label):
            raise bad_request(f"'{name}:{label}' is not the name of an image.", "InvalidImageName")
        operation_id = self.state.ids.guid()
        location = f"{workspace.container_registry}.azurecr.io/{name}:{label}"
        log_blob = f"ImageLogs/{operation_id}/build.log"
        blobs = self.state.backend(BlobBackend)
        blobs.ensure_container(workspace.storage_account, workspace.container)
        blobs.put(workspace.storage_account, workspace.container, log_blob, kind="AppendBlob")
        details = {
            "operationType": f"Package{kind}",
            "operationLog": blobs.sas_url(workspace.storage_account, workspace.container, log_blob),
            "subOperationType": "BuildImage",
            # Only there once the package is.
            "resourceLocation": "",
        }
        package = Package(
            operation_id, kind, location, log_blob, list(request.get("modelIds") or []), self.state.clock.iso()
        )

        def work(operation: Operation) -> str:
            return self._make(workspace, request, package)

        def ended(operation: Operation) -> None:
            if operation.status == "Succeeded":
                operation.details["resourceLocation"] = operation.result
                self.items.setdefault(workspace.key, []).append(package)

        return self.state.operations.start(
            KIND, name, work=work, on_end=ended, details=details, operation_id=operation_id
        )

    # Outside the lock

    def _make(self, workspace: Workspace, request: Document, package: Package) -> str:
        images = self.state.backend(Images)

        def say(line: str) -> None:
            self.state.backend(BlobBackend).append(
                workspace.storage_account, workspace.container, package.log_blob, f"{line}\n".encode()
            )

        folder = new_folder("package")
        try:
            with self.state.lock:
                files = images.model_files(workspace, package.models)
                environment = images.register_environment(workspace, request)
            request = {**request, "environment": environment}
            app = folder / context.APP
            app.mkdir()
            say(f"Packaging {len(files)} models for {package.location}")
            layout = lay_out(app, request, files, images.read(workspace))
            for path in sorted(p for p in app.rglob("*") if p.is_file()):
                say(f"  {path.relative_to(folder)} ({path.stat().st_size} bytes)")
            if package.type == CONTEXT:
                return self._write_manifest(workspace, request, package, layout, say)
            recipe = context.dockerfile(request["environment"], files, layout.entry_script)
            steps = [line for line in recipe.splitlines() if line and not line.startswith(" ")]
            digest = None
            if self.local_images:
                digest = self._build(folder, recipe, package.location, say)
            else:
                for number, step in enumerate(steps, start=1):
                    say(f"Step {number}/{len(steps)} : {step}")
            with self.state.lock:
                image, _ = images.remember(workspace, request, package.location, package.log_blob)
                image.digest = digest or image.digest
            say(f"Successfully tagged {package.location}")
            say(f"The push refers to repository [{package.location.rpartition(':')[0]}], digest: {image.digest}")
            return package.location
        except HostError as error:
            say(f"ERROR: {error}")
            raise words.image_failed(str(error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _build(self, folder: Path, recipe: str, tag: str, say: Any) -> str:
        """Build a real image and return its digest in the registry, from which it can be pulled.

        Its base must hold what the entry script needs: nothing is downloaded.
        """
        local.build(folder, recipe, tag, self.local_base, say, self.state.background)
        digest, _ = push(self.state, tag, folder)
        return digest

    def _write_manifest(
        self, workspace: Workspace, request: Document, package: Package, layout: Layout, say: Any
    ) -> str:
        images, blobs = self.state.backend(Images), self.state.backend(BlobBackend)
        with self.state.lock:
            files = images.model_files(workspace, package.models)
            name = f"{package.log_blob.rpartition('/')[0]}/manifest.json"
            text = json.dumps(context.manifest(request, files, layout.entry_script))
            blobs.put(
                workspace.storage_account, workspace.container, name, text.encode(), content_type="application/json"
            )
            url = blobs.sas_url(workspace.storage_account, workspace.container, name)
        say("Docker build context is ready")
        return url
