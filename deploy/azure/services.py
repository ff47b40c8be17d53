"""Services on Azure Container Instances and Azure Kubernetes Service."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from deploy import http
from deploy.azure.inference import inference_config
from deploy.content import check
from deploy.errors import DeployConflict, DeployError, DeployFailed, DeployTimeout, EngineUnavailable, ServiceNotFound
from deploy.images import Progress
from deploy.services import Answer, DeployRequest, Keys, Revision, ServiceInfo, Services, ServiceState
from deploy.smoke import read_golden, smoke
from registry.azure.workspace import AzureWorkspace, quiet, translated
from registry.errors import Conflict, NotFound, RegistryError

# Tags on the Azure service: what it serves, so that any machine can tell.
_MODEL, _DIGEST, _STAGE = "mlops.model", "mlops.model_digest", "mlops.stage"
_STATES = {
    "Healthy": ServiceState.HEALTHY,
    "Unhealthy": ServiceState.UNHEALTHY,
    "Failed": ServiceState.FAILED,
    "Unschedulable": ServiceState.FAILED,
}


@dataclass(frozen=True)
class AksOptions:
    """What a production service on AKS is given.

    Times in milliseconds; defaults and limits: https://learn.microsoft.com/azure/machine-learning/v1/how-to-deploy-
    azure-kubernetes-service
    """

    cluster: str = "aks"
    replicas_min: int = 1
    replicas_max: int = 3
    target_utilization: int = 70
    """Percent."""
    scoring_timeout_ms: int = 60_000
    max_request_wait_ms: int = 500
    app_insights: bool = False


class AzureServices(Services):
    """QA on ACI, production on AKS, each updated in place: address and keys survive.

    Parameters
    ----------
    workspace : registry.azure.workspace.AzureWorkspace
    targets : mapping
        ``aci`` or ``aks`` by stage.
    aks : AksOptions, optional
    """

    def __init__(
        self,
        workspace: AzureWorkspace,
        *,
        targets: Mapping[str, str] | None = None,
        aks: AksOptions | None = None,
    ) -> None:
        self._workspace = workspace
        self._targets = dict(targets or {"qa": "aci", "production": "aks"})
        self._aks = aks or AksOptions()

    def deploy(
        self,
        request: DeployRequest,
        *,
        traffic: int = 100,
        timeout: float = 1800.0,
        progress: Progress | None = None,
    ) -> ServiceInfo:
        if traffic != 100:
            raise DeployError(
                f"{request.service} serves one version at a time: {traffic} percent cannot be given to another",
                hint="deploy with 100 percent, or rehearse the canary on the local backend",
            )
        check(request.package)
        say = progress or (lambda line: None)
        service = self._send(request, say)
        with quiet():
            try:
                service.wait_for_deployment(show_output=False, timeout_sec=timeout)
            except Exception as error:
                raise self._failed(request, service, error, timeout) from error
        info = self._info(self._find(request.service))
        if info.state is not ServiceState.HEALTHY:
            raise DeployFailed(
                f"{request.service} ended as {info.state.value}: {info.error or 'no reason given'}",
                phase="ready",
                logs=self._tail(service),
                hint=f"mlops services logs {request.service}",
            )
        say(f"smoke test of {request.package.model.reference} at {info.uri}")
        smoke(
            info.uri,
            read_golden(request.package.artifact),
            request.package.model.digest,
            key=self._primary(service),
            timeout=min(timeout, 120.0),
        )
        return info

    def get(self, service: str) -> ServiceInfo:
        return self._info(self._find(service))

    def services(self) -> Iterator[ServiceInfo]:
        from azureml.core.webservice import Webservice

        with self._translated("listing services"):
            found = Webservice.list(self._workspace.sdk)
        for item in sorted(found, key=lambda one: one.name):
            yield self._info(item)

    def revisions(self, service: str) -> list[Revision]:
        item = self._find(service)
        info = self._info(item)
        return [
            Revision(
                id=info.version or service,
                model=info.version or "",
                model_digest=(item.tags or {}).get(_DIGEST, ""),
                image=None,
                created=_created(item),
                traffic=100,
                state=info.state,
            )
        ]

    def set_traffic(self, service: str, percent: Mapping[str, int]) -> None:
        known = {revision.id for revision in self.revisions(service)}
        if set(percent) != known or set(percent.values()) != {100}:
            raise DeployError(
                f"{service} has one revision, {', '.join(known)}: its traffic cannot be shared",
                hint="on Azure a service of this kit serves one version at a time",
            )

    def keys(self, service: str) -> Keys:
        item = self._find(service)
        with self._translated(f"keys of {service}"):
            primary, secondary = item.get_keys()
        return Keys(primary, secondary)

    def regenerate_key(self, service: str, which: str) -> Keys:
        if which not in ("primary", "secondary"):
            raise DeployError(f"{which!r} is no key", hint="primary or secondary")
        item = self._find(service)
        with self._translated(f"keys of {service}"):
            item.regen_key(which.capitalize())
        return self.keys(service)

    def logs(self, service: str, *, lines: int = 100) -> str:
        item = self._find(service)
        with self._translated(f"logs of {service}"):
            text = str(item.get_logs(num_lines=lines) or "")
        return "\n".join(text.splitlines()[-lines:])

    def invoke(self, service: str, body: bytes, *, content_type: str = "application/json") -> Answer:
        item = self._find(service)
        if not item.scoring_uri:
            raise DeployError(f"{service} has no address: it is {item.state}", hint=f"mlops services logs {service}")
        headers = {"content-type": content_type, **http.bearer(self._primary(item))}
        try:
            return http.call("POST", item.scoring_uri, body=body, headers=headers, timeout=300.0)
        except OSError as error:
            raise EngineUnavailable(f"{service} at {item.scoring_uri} cannot be reached: {error}") from error

    def ensure(self, service: str, *, progress: Progress | None = None) -> ServiceInfo:
        info = self.get(service)
        if info.state in (ServiceState.FAILED, ServiceState.UNHEALTHY):
            raise DeployFailed(
                f"{service} is {info.state.value}: {info.error or 'no reason given'}",
                phase="ready",
                hint=f"mlops services logs {service}",
            )
        return info

    def stop(self, service: str) -> None:
        self._find(service)
        raise DeployError(
            f"{service} runs on Azure, where a service is deleted, not stopped", hint=f"mlops services delete {service}"
        )

    def delete(self, service: str) -> None:
        item = self._find(service)
        with self._translated(f"deleting {service}"):
            item.delete()

    # ---- sending ----------------------------------------------------------------------------------------------------
    def _send(self, request: DeployRequest, say: Progress) -> Any:
        """Create or update the service; returns the SDK's object, whose operation is under way."""
        from azureml.core import Model

        model = request.package.model
        tags = {**request.tags, _MODEL: model.reference, _DIGEST: model.digest, _STAGE: request.stage}
        with self._translated(f"deploying {request.service}"), inference_config(request.package) as inference:
            for name, value in request.env.items():
                inference.environment.environment_variables = {
                    **inference.environment.environment_variables,
                    name: value,
                }
            registered = Model(self._workspace.sdk, id=model.reference)
            existing = self._existing(request.service)
            if existing is not None and existing.state != "Failed":
                say(f"updating {request.service} in place to {model.reference}")
                existing.update(models=[registered], inference_config=inference, tags=tags)
                return existing
            say(f"creating {request.service} for {model.reference}")
            return Model.deploy(
                self._workspace.sdk,
                request.service,
                [registered],
                inference,
                deployment_config=self._configuration(request, tags),
                deployment_target=self._cluster(request.stage),
                # A service whose first deployment failed serves nobody: replacing it loses nothing.
                overwrite=existing is not None,
            )

    def _configuration(self, request: DeployRequest, tags: dict[str, str]) -> Any:
        from azureml.core.webservice import AciWebservice, AksWebservice

        if self._targets.get(request.stage, "aci") == "aci":
            return AciWebservice.deploy_configuration(
                cpu_cores=request.cpu,
                memory_gb=request.memory_gb,
                tags=tags,
                auth_enabled=True,
                enable_app_insights=self._aks.app_insights,
                description=f"{request.stage}: {request.package.model.reference}",
            )
        options = self._aks
        return AksWebservice.deploy_configuration(
            autoscale_enabled=True,
            autoscale_min_replicas=options.replicas_min,
            autoscale_max_replicas=options.replicas_max,
            autoscale_target_utilization=options.target_utilization,
            cpu_cores=request.cpu,
            memory_gb=request.memory_gb,
            scoring_timeout_ms=options.scoring_timeout_ms,
            max_request_wait_time=options.max_request_wait_ms,
            auth_enabled=True,
            enable_app_insights=options.app_insights,
            tags=tags,
            description=f"{request.stage}: {request.package.model.reference}",
        )

    def _cluster(self, stage: str) -> Any:
        if self._targets.get(stage, "aci") == "aci":
            return None
        from azureml.core.compute import ComputeTarget

        try:
            return ComputeTarget(self._workspace.sdk, self._aks.cluster)
        except Exception as error:
            if "ComputeTargetNotFound" in str(error):
                raise NotFound(
                    f"the workspace has no AKS cluster {self._aks.cluster!r}",
                    hint="mlops azure init attaches one; or set AKS_COMPUTE_NAME",
                ) from error
            raise

    # ---- reading ----------------------------------------------------------------------------------------------------
    def _existing(self, service: str) -> Any:
        from azureml.core.webservice import Webservice

        try:
            with self._translated(f"service {service}"):
                return Webservice(self._workspace.sdk, service)
        except ServiceNotFound:
            return None

    def _find(self, service: str) -> Any:
        found = self._existing(service)
        if found is None:
            raise ServiceNotFound(f"there is no service {service!r}", hint="mlops services list")
        return found

    def _info(self, item: Any) -> ServiceInfo:
        tags = dict(item.tags or {})
        error = item.error
        return ServiceInfo(
            name=item.name,
            stage=tags.get(_STAGE, ""),
            uri=item.scoring_uri or "",
            state=_STATES.get(item.state, ServiceState.TRANSITIONING),
            target=str(item.compute_type).lower(),
            version=tags.get(_MODEL),
            error=_message(error) if error else None,
            tags={key: value for key, value in tags.items() if not key.startswith("mlops.")},
        )

    def _primary(self, item: Any) -> str | None:
        if item.auth_enabled is False:
            return None
        with self._translated(f"keys of {item.name}"):
            return str(item.get_keys()[0])

    def _tail(self, item: Any, lines: int = 20) -> str:
        with contextlib.suppress(Exception), quiet():
            return "\n".join(str(item.get_logs(num_lines=lines) or "").splitlines()[-lines:])
        return ""

    def _failed(self, request: DeployRequest, service: Any, error: Exception, timeout: float) -> DeployError:
        text = str(getattr(error, "message", "") or error)
        with contextlib.suppress(Exception), quiet():
            service.update_deployment_state()
        detail = _message(service.error) if getattr(service, "error", None) else text.strip().splitlines()[0][:500]
        kind = (
            DeployTimeout
            if "TimedOut" in text or "timed out" in text.lower() or "timeout" in text.lower()
            else DeployFailed
        )
        phase = "build" if "BuildImage" in text or "BuildEnvironment" in text else "ready"
        return kind(
            f"{request.service} did not become ready with {request.package.model.reference}: {detail}",
            phase=phase,
            logs=self._tail(service),
            hint=f"mlops services logs {request.service}",
        )

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """The registry room's translation of the SDK's exceptions, in the words of this room."""
        try:
            with translated(what):
                yield
        except NotFound as error:
            raise ServiceNotFound(str(error), hint=error.hint) from error
        except Conflict as error:
            raise DeployConflict(str(error), hint=error.hint) from error
        except RegistryError as error:
            raise EngineUnavailable(str(error), hint=error.hint) from error


def _created(item: Any) -> datetime:
    created = item.created_time
    if isinstance(created, datetime):
        return created if created.tzinfo else created.replace(tzinfo=timezone.utc)
    return datetime.fromtimestamp(0, timezone.utc)


def _message(error: Any) -> str:
    """The words of Azure's error document, its details included."""
    if not isinstance(error, Mapping):
        return str(error)
    parts = [str(error.get("message") or error.get("code") or json.dumps(dict(error)))]
    parts += [
        str(item.get("message") or item.get("code")) for item in error.get("details") or [] if isinstance(item, Mapping)
    ]
    return " ".join(part.strip() for part in parts if part)
