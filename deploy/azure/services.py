"""Services on Azure: Container Instances for QA, Kubernetes Service for production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deploy import http
from deploy.azure.aci import Aci
from deploy.azure.aks import Aks
from deploy.azure.common import MODEL, STAGE, STATES, AksOptions, check_name, message, ours
from deploy.content import check
from deploy.errors import DeployError, DeployFailed, EngineUnavailable, Invalid, ServiceNotFound
from deploy.images import Progress
from deploy.services import Answer, DeployRequest, Keys, Revision, ServiceInfo, Services, ServiceState
from deploy.smoke import read_golden
from registry.azure.workspace import AzureWorkspace

__all__ = ["AksOptions", "AzureServices"]


class AzureServices(Services):
    """QA on ACI, production on AKS; address and keys survive every deployment.

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
        options = aks or AksOptions()
        self._workspace = workspace
        self._targets = dict(targets or {"qa": "aci", "production": "aks"})
        self._kinds: dict[str, Aci | Aks] = {
            "aci": Aci(workspace, app_insights=options.app_insights),
            "aks": Aks(workspace, options),
        }
        # Address and key of services that were asked: three requests to Azure for each one to the service would be a
        # slow canary, and one that Azure throttles.
        self._known: dict[str, tuple[str, str | None]] = {}

    def deploy(
        self,
        request: DeployRequest,
        *,
        traffic: int = 100,
        timeout: float = 1800.0,
        progress: Progress | None = None,
    ) -> ServiceInfo:
        check_name(request.service)
        check(request.package)
        read_golden(request.package.artifact)  # refused here, before anything is sent
        say = progress or (lambda line: None)
        existing = self._existing(request.service)
        kind = self._kind(existing) if existing is not None else self._kinds[self._targets.get(request.stage, "aci")]
        return self._info(kind.deploy(request, existing, traffic, timeout, say))

    def get(self, service: str) -> ServiceInfo:
        return self._info(self._find(service))

    def services(self) -> Iterator[ServiceInfo]:
        from azureml.core.webservice import Webservice

        with ours("listing services"):
            found = Webservice.list(self._workspace.sdk)
        for item in sorted(found, key=lambda one: one.name):
            yield self._info(item)

    def revisions(self, service: str) -> list[Revision]:
        item = self._find(service)
        return self._kind(item).revisions(item)

    def set_traffic(self, service: str, percent: Mapping[str, int]) -> None:
        item = self._find(service)
        self._kind(item).set_traffic(item, percent)

    def keys(self, service: str) -> Keys:
        item = self._find(service)
        with ours(f"keys of {service}"):
            primary, secondary = item.get_keys()
        return Keys(primary, secondary)

    def regenerate_key(self, service: str, which: str) -> Keys:
        if which not in ("primary", "secondary"):
            raise Invalid(f"{which!r} is no key", hint="primary or secondary")
        item = self._find(service)
        with ours(f"keys of {service}"):
            item.regen_key(which.capitalize())
        return self.keys(service)

    def logs(self, service: str, *, lines: int = 100) -> str:
        item = self._find(service)
        with ours(f"logs of {service}"):
            text = str(item.get_logs(num_lines=lines) or "")
        return "\n".join(text.splitlines()[-lines:])

    def invoke(self, service: str, body: bytes, *, content_type: str = "application/json") -> Answer:
        known = service in self._known
        uri, key = self._known.get(service) or self._door(service)
        headers = {"content-type": content_type, **http.bearer(key)}
        try:
            answer = http.call("POST", uri, body=body, headers=headers, timeout=300.0)
        except OSError as error:
            # Not sent again: the service may have answered the request already, and what fails must be seen to fail.
            self._known.pop(service, None)
            raise EngineUnavailable(f"{service} at {uri} cannot be reached: {error}") from error
        if known and answer.status in (401, 403, 404):  # refused at the door: no version has seen it
            return self._again(service, body, content_type)
        self._known[service] = uri, key
        return answer

    def _again(self, service: str, body: bytes, content_type: str) -> Answer:
        """Address or key may have changed: read both anew."""
        del self._known[service]
        return self.invoke(service, body, content_type=content_type)

    def _door(self, service: str) -> tuple[str, str | None]:
        item = self._find(service)
        if not item.scoring_uri:
            raise DeployError(f"{service} has no address: it is {item.state}", hint=f"mlops services logs {service}")
        return str(item.scoring_uri), self._primary(item)

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
        with ours(f"deleting {service}"):
            item.delete()

    # ---- reading ----------------------------------------------------------------------------------------------------
    def _existing(self, service: str) -> Any:
        from azureml.core.webservice import Webservice

        try:
            with ours(f"service {service}"):
                return Webservice(self._workspace.sdk, service)
        except ServiceNotFound:
            return None

    def _find(self, service: str) -> Any:
        found = self._existing(service)
        if found is None:
            raise ServiceNotFound(f"there is no service {service!r}", hint="mlops services list")
        return found

    def _kind(self, item: Any) -> Aci | Aks:
        return self._kinds["aks" if hasattr(item, "versions") else "aci"]

    def _info(self, item: Any) -> ServiceInfo:
        revisions = self._kind(item).revisions(item)
        main = max(revisions, key=lambda revision: revision.traffic, default=None)
        tags = dict(item.tags or {})
        if hasattr(item, "versions") and main is not None:
            tags = dict(item.versions[main.id].tags or tags)
        return ServiceInfo(
            name=item.name,
            stage=tags.get(STAGE, ""),
            uri=item.scoring_uri or "",
            state=STATES.get(item.state, ServiceState.TRANSITIONING),
            target="aks" if hasattr(item, "versions") else str(item.compute_type).lower(),
            version=tags.get(MODEL),
            error=message(item.error) if item.error else None,
            tags={key: value for key, value in tags.items() if not key.startswith("mlops.")},
        )

    def _primary(self, item: Any) -> str | None:
        if item.auth_enabled is False:
            return None
        with ours(f"keys of {item.name}"):
            return str(item.get_keys()[0])
