"""Services on Azure Kubernetes Service: an endpoint whose versions share its traffic.

A new version is created without traffic, so the one before serves until the new one is up; then traffic moves. Azure
gives a version no address of its own, so the smoke test comes right after the move; a version that fails is taken back.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from deploy.azure.common import (
    DIGEST,
    MODEL,
    STATES,
    AksOptions,
    check_answer,
    created,
    ours,
    overtaken,
    ready,
    settle,
    tags_of,
    undoing,
    untracked,
    wait,
)
from deploy.azure.inference import inference_config
from deploy.errors import DeployError, Invalid, ServiceNotFound
from deploy.images import Progress
from deploy.services import DeployRequest, Revision, ServiceState
from registry.azure.workspace import AzureWorkspace, quiet
from registry.errors import NotFound

logger = logging.getLogger(__name__)


class Aks:
    """Endpoints on an attached cluster.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    options : AksOptions
    """

    def __init__(self, workspace: AzureWorkspace, options: AksOptions) -> None:
        self._workspace = workspace
        self._options = options

    def deploy(self, request: DeployRequest, existing: Any, traffic: int, timeout: float, say: Progress) -> Any:
        """Create the endpoint with its first version, or add a version and move traffic to it. Returns the endpoint."""
        if existing is None:
            return self._create(request, timeout, say)
        before = {revision.id: revision.traffic for revision in self.revisions(existing)}
        name = self._free_name(request, existing)
        self._add(request, existing, name, timeout, say)
        endpoint = self._read(request.service)
        say(f"{request.package.model.reference} is up: it gets {traffic} percent")
        shares = _shares(before, name, traffic)
        try:
            self._move(endpoint, shares, timeout)
            if traffic == 100:
                check_answer(endpoint, request, timeout)
            endpoint = ready(lambda: self._read(request.service), request, timeout, version=name)
        except BaseException as error:
            others = self._others(request.service, {*before, name})
            if others:  # their shares are theirs, and what is left of ours goes with their next change
                if isinstance(error, Exception):
                    raise overtaken(request, others, error) from error
                raise
            back = f"taking {request.package.model.reference} back"
            say(back)
            with undoing(error, back, say):
                self._move(self._read(request.service), {**before, name: 0}, timeout)
                self._remove(self._read(request.service), [name], timeout)
            raise
        return self._clear(request.service, shares, timeout, say) or endpoint

    def revisions(self, item: Any) -> list[Revision]:
        """The versions of the endpoint, newest first. What no share claims goes to the default version."""
        claimed = {name: int(version.traffic_percentile or 0) for name, version in item.versions.items()}
        found = []
        for name, version in item.versions.items():
            traffic = claimed[name] + (100 - sum(claimed.values()) if version.is_default else 0)
            tags = version.tags or {}
            state = STATES.get(version.state, ServiceState.TRANSITIONING)
            found.append(
                Revision(name, tags.get(MODEL, ""), tags.get(DIGEST, ""), None, created(version), traffic, state)
            )
        return sorted(found, key=lambda revision: (revision.created, revision.id), reverse=True)

    def set_traffic(self, item: Any, percent: Mapping[str, int]) -> None:
        """Move shares; versions left without any are deleted."""
        known = {revision.id: revision for revision in self.revisions(item)}
        unknown = sorted(set(percent) - set(known))
        if unknown:
            raise ServiceNotFound(
                f"{item.name} has no revision {', '.join(unknown)}", hint=f"it has {', '.join(known)}"
            )
        if sum(percent.values()) != 100 or any(not 0 <= share <= 100 for share in percent.values()):
            raise Invalid(f"the shares of {item.name} must be 0 to 100 and add up to 100, not {dict(percent)}")
        shares = {name: percent.get(name, 0) for name in known}
        self._move(item, shares, 600.0)
        self._clear(item.name, shares, 600.0, logger.warning)

    # ---- steps of a deployment ----------------------------------------------------------------------------------
    def _create(self, request: DeployRequest, timeout: float, say: Progress) -> Any:
        from azureml.core import Model
        from azureml.core.webservice import AksEndpoint

        model, options = request.package.model, self._options
        name = f"v{model.version}-r1"
        say(f"creating {request.service} for {model.reference}")
        with ours(f"deploying {request.service}"), inference_config(request.package, request.env) as inference:
            endpoint = Model.deploy(
                self._workspace.sdk,
                request.service,
                [Model(self._workspace.sdk, id=model.reference)],
                inference,
                deployment_config=AksEndpoint.deploy_configuration(
                    version_name=name,
                    traffic_percentile=100,
                    tags=tags_of(request),
                    auth_enabled=True,
                    enable_app_insights=options.app_insights,
                    description=f"{request.stage}: {model.reference}",
                    **self._resources(request),
                ),
                deployment_target=self._cluster(),
            )
        try:
            wait(endpoint, request, timeout)
            check_answer(self._read(request.service), request, timeout)
            return ready(lambda: self._read(request.service), request, timeout, version=name)
        except BaseException:
            with contextlib.suppress(Exception), quiet():
                endpoint.delete()
            raise

    def _add(self, request: DeployRequest, endpoint: Any, name: str, timeout: float, say: Progress) -> None:
        from azureml.core import Model
        from azureml.core.webservice import AksEndpoint

        # azureml-core 1.61 compares cores and memory of a new version with this attribute, which endpoints do not have:
        # create_version with either raises AttributeError. (Set on an object, it breaks the SDK's own refresh of it.)
        if not hasattr(AksEndpoint, "container_resource_requirements"):
            AksEndpoint.container_resource_requirements = None
        model = request.package.model
        say(f"adding {model.reference} to {request.service} as {name}, without traffic")
        sent = False
        try:
            with ours(f"deploying {request.service}"), inference_config(request.package, request.env) as inference:
                models = [Model(self._workspace.sdk, id=model.reference)]
                with untracked():
                    endpoint.create_version(
                        name,
                        models=models,
                        inference_config=inference,
                        tags=tags_of(request),
                        traffic_percentile=0,
                        description=f"{request.stage}: {model.reference}",
                        **self._resources(request),
                    )
            sent = True
            wait(endpoint, request, timeout)
        except BaseException as error:
            if not sent and isinstance(error, Exception):
                raise  # refused: nothing was added. An interrupt may come after Azure has taken the request
            back = f"taking {model.reference} back"
            say(back)
            with undoing(error, back, say):
                self._remove(self._read(request.service), [name], timeout)
            raise

    def _others(self, service: str, known: set[str]) -> str:
        """Models of versions with traffic that are none of those known: of another release."""
        try:
            found = self.revisions(self._read(service))
        except DeployError:
            return ""
        return ", ".join(sorted(item.model or item.id for item in found if item.traffic and item.id not in known))

    def _move(self, endpoint: Any, shares: Mapping[str, int], timeout: float) -> None:
        """Lower first, then raise: the sum may never pass 100. The biggest share becomes the default."""
        now = {name: int(version.traffic_percentile or 0) for name, version in endpoint.versions.items()}
        main = max(shares, key=lambda name: shares[name])
        with ours(f"traffic of {endpoint.name}"):
            for name in sorted(shares, key=lambda name: shares[name] - now.get(name, 0)):
                if shares[name] == now.get(name) and name != main:
                    continue
                with untracked():
                    endpoint.update_version(
                        name, traffic_percentile=shares[name], is_default=True if name == main else None
                    )
                settle(endpoint, timeout)

    def _clear(self, service: str, shares: Mapping[str, int], timeout: float, say: Progress) -> Any:
        """Delete versions without traffic; the endpoint as it is then, or ``None``.

        What cannot be deleted harms nobody, and goes with the next change.
        """
        idle = [name for name, share in shares.items() if share == 0]
        try:
            endpoint = self._read(service)
            self._remove(endpoint, idle, timeout)
            return endpoint
        except DeployError as error:
            say(f"{service} keeps {', '.join(idle)}, without traffic, until the next deployment: {error}")
            return None

    def _remove(self, endpoint: Any, names: list[str], timeout: float) -> None:
        with ours(f"versions of {endpoint.name}"):
            for name in names:
                if name in endpoint.versions:
                    endpoint.delete_version(name)
                    settle(endpoint, timeout)

    # ---- parts ----------------------------------------------------------------------------------------------------
    def _resources(self, request: DeployRequest) -> dict[str, Any]:
        options = self._options
        return {
            "autoscale_enabled": True,
            "autoscale_min_replicas": options.replicas_min,
            "autoscale_max_replicas": options.replicas_max,
            "autoscale_target_utilization": options.target_utilization,
            "cpu_cores": request.cpu,
            "memory_gb": request.memory_gb,
            "scoring_timeout_ms": options.scoring_timeout_ms,
            "max_request_wait_time": options.max_request_wait_ms,
        }

    def _free_name(self, request: DeployRequest, endpoint: Any) -> str:
        number = 1
        while f"v{request.package.model.version}-r{number}" in endpoint.versions:
            number += 1
        return f"v{request.package.model.version}-r{number}"

    def _read(self, service: str) -> Any:
        from azureml.core.webservice import Webservice

        with ours(f"service {service}"):
            return Webservice(self._workspace.sdk, service)

    def _cluster(self) -> Any:
        from azureml.core.compute import ComputeTarget

        try:
            return ComputeTarget(self._workspace.sdk, self._options.cluster)
        except Exception as error:
            if "ComputeTargetNotFound" in str(error):
                raise NotFound(
                    f"the workspace has no AKS cluster {self._options.cluster!r}",
                    hint="mlops azure init attaches one; or set AKS_COMPUTE_NAME",
                ) from error
            raise


def _shares(before: Mapping[str, int], name: str, traffic: int) -> dict[str, int]:
    """The new version gets `traffic`, the others share the rest as they shared all."""
    rest = 100 - traffic
    shares = {version: percent * rest // 100 for version, percent in before.items()}
    if shares:
        first = max(shares, key=lambda version: before[version])
        shares[first] += rest - sum(shares.values())
    return {**shares, name: traffic}
