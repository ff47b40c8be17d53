"""Services on Azure Container Instances: one version at a time, updated in place.

Azure stops the old container group before the new one runs, so QA is away for that while, and for longer when the new
version has to give way again: it is put back with the entry script and code of today's project.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from deploy.azure.common import (
    DIGEST,
    MODEL,
    STATES,
    check_answer,
    created,
    ours,
    overtaken,
    ready,
    tags_of,
    undoing,
    untracked,
    wait,
)
from deploy.azure.inference import inference_config
from deploy.errors import DeployConflict, DeployError
from deploy.images import Progress
from deploy.services import DeployRequest, Revision, ServiceState
from registry.azure.workspace import AzureWorkspace, quiet


class Aci:
    """Container Instances.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    app_insights : bool
        Send telemetry to Application Insights.
    """

    def __init__(self, workspace: AzureWorkspace, *, app_insights: bool) -> None:
        self._workspace = workspace
        self._app_insights = app_insights

    def deploy(self, request: DeployRequest, existing: Any, traffic: int, timeout: float, say: Progress) -> Any:
        """Create the service, or update it in place: address and keys survive. Returns it, healthy."""
        if traffic != 100:
            raise DeployError(
                f"{request.service} runs on Container Instances, which serve one version at a time",
                hint="give it 100 percent; a canary needs AKS, or the local backend",
            )
        if existing is None or existing.state == "Failed":
            # A service whose first deployment failed serves nobody: replacing it loses nothing.
            return self._create(request, existing is not None, timeout, say)
        return self._update(request, existing, timeout, say)

    def _create(self, request: DeployRequest, overwrite: bool, timeout: float, say: Progress) -> Any:
        from azureml.core import Model

        model = request.package.model
        say(f"creating {request.service} for {model.reference}")
        with ours(f"deploying {request.service}"), inference_config(request.package, request.env) as inference:
            service = Model.deploy(
                self._workspace.sdk,
                request.service,
                [Model(self._workspace.sdk, id=model.reference)],
                inference,
                deployment_config=self._configuration(request),
                overwrite=overwrite,
            )
        try:
            wait(service, request, timeout)
            check_answer(service, request, timeout)
            return ready(lambda: self._read(request.service), request, timeout)
        except BaseException:
            with contextlib.suppress(Exception), quiet():
                service.delete()
            raise

    def _update(self, request: DeployRequest, service: Any, timeout: float, say: Progress) -> Any:
        """Update in place. What cannot be brought up, or answers wrongly, gives way to the version before."""
        before = dict(service.tags or {})
        model = request.package.model
        say(f"updating {request.service} in place to {model.reference}")
        try:
            self._send(request, service, model.reference, tags_of(request))
            wait(service, request, timeout)
            check_answer(service, request, timeout)
            return ready(lambda: self._read(request.service), request, timeout)
        except DeployConflict:
            raise  # another deployment is under way: nothing of ours to take back, and theirs must stay
        except BaseException as error:
            now, healthy = self._serving(request.service)
            if now not in ("", model.reference, before.get(MODEL)):
                if isinstance(error, Exception):
                    raise overtaken(request, now, error) from error
                raise
            # What Azure has not taken is not taken back: the service would stop to be put into its own place.
            untouched = healthy and now != model.reference
            if MODEL in before and not untouched:
                back = f"putting {before[MODEL]} back"
                say(back)
                with undoing(error, back, say):
                    self._send(request, service, before[MODEL], before)
                    with ours(back):
                        service.wait_for_deployment(show_output=False, timeout_sec=timeout)
            raise

    def _read(self, service: str) -> Any:
        from azureml.core.webservice import Webservice

        with ours(f"service {service}"):
            return Webservice(self._workspace.sdk, service)

    def _serving(self, service: str) -> tuple[str, bool]:
        """The model version that is deployed now, and whether it is healthy; nothing where Azure does not say."""
        try:
            item = self._read(service)
        except DeployError:
            return "", False
        return str((item.tags or {}).get(MODEL, "")), STATES.get(item.state) is ServiceState.HEALTHY

    def _send(self, request: DeployRequest, service: Any, reference: str, tags: dict[str, str]) -> None:
        from azureml.core import Model

        with ours(f"updating {request.service}"), inference_config(request.package, request.env) as inference:
            registered = Model(self._workspace.sdk, id=reference)
            with untracked():
                service.update(models=[registered], inference_config=inference, tags=tags)

    def revisions(self, item: Any) -> list[Revision]:
        """The one version that serves."""
        tags = item.tags or {}
        model = tags.get(MODEL, "")
        state = STATES.get(item.state, ServiceState.TRANSITIONING)
        return [Revision(model or item.name, model, tags.get(DIGEST, ""), None, created(item), 100, state)]

    def set_traffic(self, item: Any, percent: Mapping[str, int]) -> None:
        """There is nothing to share."""
        if set(percent.values()) != {100}:
            raise DeployError(
                f"{item.name} runs on Container Instances, which serve one version at a time",
                hint="a canary needs AKS, or the local backend",
            )

    def _configuration(self, request: DeployRequest) -> Any:
        from azureml.core.webservice import AciWebservice

        return AciWebservice.deploy_configuration(
            cpu_cores=request.cpu,
            memory_gb=request.memory_gb,
            tags=tags_of(request),
            auth_enabled=True,
            enable_app_insights=self._app_insights,
            description=f"{request.stage}: {request.package.model.reference}",
        )
