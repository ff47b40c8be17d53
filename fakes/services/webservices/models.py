"""Web services: state and behaviour, no HTTP."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from fakes.core.errors import AzureError, bad_request, conflict
from fakes.core.operations import Operation
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.webservices import defaults, patch, words
from fakes.services.webservices.addresses import Address, address
from fakes.services.webservices.deploying import Deployer
from fakes.services.webservices.images import Images
from fakes.services.webservices.records import TRANSITIONING, Deployment, Document, Unit, Webservice
from fakes.services.webservices.runtime import Runtime
from fakes.services.webservices.updating import patch_service
from fakes.services.webservices.words import ACI, AKS, ENDPOINT


class Webservices(Backend):
    """The services of every workspace.

    Attributes
    ----------
    start_timeout : float
        Seconds until a container that is not ready makes its deployment time out.
    host_program : str
        What runs entry scripts: ``score``, ``azmlinfsrv`` for azureml-inference-server-http, or ``container``.
    host_image : str or None
        With ``host_program`` ``container``: the image that ``score`` runs in, with the packages that scripts need.
    host_options : list of str
        Further options of ``docker run``.
    host_python : str or None
        Interpreter for it, with the packages that entry scripts need; ``None``: the one that runs this.
    check_packages : bool
        Whether entry scripts do not find packages that their environment does not declare; not in containers.
    """

    name: ClassVar[str] = "webservices"
    exported: ClassVar[tuple[str, ...]] = (
        "items",
        "start_timeout",
        "host_program",
        "host_python",
        "host_image",
        "host_options",
        "check_packages",
    )

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, dict[str, Webservice]] = {}
        self.start_timeout = 120.0
        self.host_program = "score"
        self.host_python: str | None = None
        self.host_image: str | None = None
        self.host_options: list[str] = []
        self.check_packages = True
        self.runtime = Runtime()
        self.deployer = Deployer(self)

    # Reading

    def get(self, workspace: Workspace, name: str) -> Webservice:
        """Return one service; 404 as Azure words it."""
        found = self.items.get(workspace.key, {}).get(name)
        if found is None:
            raise AzureError(
                404,
                "NotFound",
                "The specified resource was not found.",
                details=[{"code": "ServiceNotFound", "message": f"Service with name {name} not found in workspace."}],
            )
        return found

    def all(self, workspace: Workspace) -> list[Webservice]:
        """Return the services of a workspace, newest first."""
        return sorted(self.items.get(workspace.key, {}).values(), key=lambda s: s.created, reverse=True)

    def at(self, hostname: str) -> list[Webservice]:
        """Return the services that are asked at a host name."""
        return [s for services in self.items.values() for s in services.values() if s.hostname == hostname]

    def uses(self, workspace: Workspace, kind: str, name: str) -> list[str]:
        """A model that a service was deployed with stays."""
        if kind != "model":
            return []
        return [
            f"service {service.name}"
            for service in self.items.get(workspace.key, {}).values()
            if any(name in d.models for u in service.units.values() for d in (u.wanted, u.serving) if d)
        ]

    # Checking

    def check_name(self, workspace: Workspace, name: str) -> None:
        """Raise when a new service cannot have this name."""
        if self.state.settings.strict:
            defaults.check_name(name)
        existing = self.items.get(workspace.key, {}).get(name)
        if existing is not None:
            message = words.exists(workspace.subscription_id, name, existing.compute_type)
            raise conflict("Conflict", details=[{"code": "ServiceExists", "message": message}])

    def check_create(self, workspace: Workspace, payload: Document) -> None:
        """Raise when a service cannot be created as `payload` asks."""
        compute_type = self._compute_type(payload)
        if self.state.settings.strict:
            defaults.check_name(payload.get("name"))
            defaults.check_fields(payload, compute_type)
        if compute_type == ENDPOINT:
            defaults.endpoint(payload)
            versions = payload.get("versions")
            if not isinstance(versions, dict) or not versions:
                raise bad_request("An endpoint needs at least one version.", "InvalidEndpoint")
            for version in versions.values():
                self._check_unit(workspace, AKS, version)
        else:
            self._check_unit(workspace, compute_type, payload)
        if compute_type != ACI:
            address(self.state, workspace, compute_type, "", payload)

    def _check_unit(self, workspace: Workspace, compute_type: str, payload: Document) -> None:
        defaults.aci(payload, workspace.location) if compute_type == ACI else defaults.aks(payload)
        self.images.check(workspace, payload.get("environmentImageRequest"))

    def _compute_type(self, payload: Document) -> str:
        given = payload.get("computeType")
        if given not in (ACI, AKS, ENDPOINT):
            raise bad_request(f"computeType must be ACI, AKS or AKSENDPOINT, not {given!r}.", "InvalidComputeType")
        return str(given)

    @property
    def images(self) -> Images:
        return self.state.backend(Images)

    # Changing

    def create(self, workspace: Workspace, payload: Document, created_by: Document) -> tuple[Webservice, Operation]:
        """Create a service, or deploy it again when the payload says ``overwrite``."""
        self.check_create(workspace, payload)
        name, compute_type = str(payload["name"]), self._compute_type(payload)
        old = self.items.get(workspace.key, {}).get(name)
        if old is not None:
            if not payload.get("overwrite"):
                self.check_name(workspace, name)
            if old.compute_type != compute_type:
                raise conflict(
                    "Conflict",
                    details=[
                        {
                            "code": "ServiceExists",
                            "message": f"Service {name} exists with compute type {old.compute_type} and cannot become "
                            f"{compute_type}; delete it first.",
                        }
                    ],
                )
            self._not_busy(old)
        now = self.state.clock.now()
        where = address(self.state, workspace, compute_type, old.id if old else "", payload)
        if compute_type == ACI and any(other is not old for other in self.at(where.hostname)):
            raise bad_request(
                f"The DNS name label of {where.hostname} is taken by another container group.",
                "DnsNameLabelNotAvailable",
            )
        service = self._new(workspace, payload, compute_type, created_by, where, old)
        if compute_type == ENDPOINT:
            service.own_settings = defaults.endpoint(payload)
            wanted = dict(payload["versions"])
        else:
            wanted = {name: payload}
        fresh: dict[str, Unit] = {}
        for version, document in wanted.items():
            unit = self.new_unit(workspace, service, version, document)
            previous = old.units.get(version) if old else None
            if previous is not None:
                unit.created, unit.serving = previous.created, previous.serving
            fresh[version] = unit
        stale = [d for u in (old.units.values() if old else ()) for d in (u.serving, u.wanted)]
        service.units = fresh
        if compute_type == ENDPOINT:
            self.share(service)
        service.updated = now
        self.items.setdefault(workspace.key, {})[name] = service
        operation = self.deployer.deploy(workspace, service, list(fresh.values()), stale)
        return service, operation

    def _new(
        self,
        workspace: Workspace,
        payload: Document,
        compute_type: str,
        created_by: Document,
        where: Address,
        old: Webservice | None,
    ) -> Webservice:
        now = self.state.clock.now()
        keys = payload.get("keys") or {}
        return Webservice(
            id=old.id if old else where.service_id,
            name=str(payload["name"]),
            compute_type=compute_type,
            workspace=workspace.key,
            created=old.created if old else now,
            updated=now,
            created_by=created_by,
            # Keys belong to the service and survive deployments.
            primary_key=keys.get("primaryKey") or (old.primary_key if old else self._key()),
            secondary_key=keys.get("secondaryKey") or (old.secondary_key if old else self._key()),
            token_key=old.token_key if old else self.state.ids.secret(32),
            hostname=where.hostname,
            scheme=where.scheme,
            description=payload.get("description"),
            tags=dict(payload.get("kvTags") or {}),
            properties=dict(payload.get("properties") or {}),
        )

    def new_unit(self, workspace: Workspace, service: Webservice, name: str, payload: Document) -> Unit:
        now = self.state.clock.now()
        compute_type = ACI if service.compute_type == ACI else AKS
        settings = defaults.aci(payload, workspace.location) if compute_type == ACI else defaults.aks(payload)
        if service.is_endpoint:
            settings["computeName"] = service.own_settings["computeName"]
        return Unit(
            name=name,
            compute_type=compute_type,
            settings=settings,
            created=now,
            updated=now,
            description=payload.get("description"),
            tags=dict(payload.get("kvTags") or {}),
            properties=dict(payload.get("properties") or {}),
            wanted=self.deployment(workspace, payload["environmentImageRequest"]),
            traffic=defaults.traffic(payload.get("trafficPercentile")),
            is_default=bool(payload.get("isDefault") or False),
            version_type=payload.get("type") or ("Treatment" if service.is_endpoint else None),
        )

    def deployment(self, workspace: Workspace, request: Document) -> Deployment:
        self.images.check(workspace, request)
        return Deployment(
            id=self.state.ids.guid(),
            request=request,
            image=self.images.location(workspace, request),
            models=[str(model) for model in request.get("modelIds") or []],
        )

    def share(self, service: Webservice) -> None:
        """Check the shares of an endpoint's versions: at most 100 percent, at most six, one default, one control."""
        units = list(service.units.values())
        if len(units) > defaults.MAX_VERSIONS:
            raise bad_request(f"An endpoint has at most {defaults.MAX_VERSIONS} versions.", "TooManyVersions")
        total = sum(unit.traffic for unit in units)
        if total > 100:
            shares = ", ".join(f"{unit.name} {unit.traffic:g}" for unit in units)
            raise bad_request(
                f"The traffic percentiles of the versions of {service.name} add to more than 100: {shares}.",
                "InvalidTrafficPercentile",
            )
        if sum(unit.version_type == "Control" for unit in units) > 1:
            raise bad_request("An endpoint has at most one control version.", "InvalidVersionType")
        if units and not any(unit.is_default for unit in units):
            units[0].is_default = True

    def _not_busy(self, service: Webservice) -> None:
        if service.operation and not self.state.operations.get(service.operation).finished:
            raise conflict(
                f"Service {service.name} is in state {TRANSITIONING}: another operation on it is under way. Wait for "
                "it with wait_for_deployment().",
                "Conflict",
            )

    def update(self, workspace: Workspace, name: str, document: object) -> tuple[Webservice, Operation | None]:
        """Apply a JSON Patch. Returns an operation when containers change."""
        service = self.get(workspace, name)
        self._not_busy(service)
        return patch_service(self, workspace, service, patch.operations(document))

    def check_update(self, workspace: Workspace, name: str, document: object) -> None:
        """Raise when a patch cannot be applied."""
        self.get(workspace, name)
        for _, path, value in patch.operations(document):
            if path[0] == "environmentImageRequest" or path[-1] == "environmentImageRequest":
                self.images.check(workspace, value)

    def delete(self, workspace: Workspace, name: str) -> Operation:
        """Delete a service; its containers are gone when the operation ends."""
        service = self.get(workspace, name)
        return self.deployer.remove(workspace, service)

    def drop(self, service: Webservice) -> None:
        """Forget a service."""
        services = self.items.get(service.workspace, {})
        if services.get(service.name) is service:
            del services[service.name]

    # Keys and tokens

    def _key(self) -> str:
        return base64.b64encode(self.state.ids.secret(24)).decode().replace("+", "A").replace("/", "B")

    def regenerate(self, workspace: Workspace, name: str, which: object, value: object) -> Operation:
        """Make (or set) the primary or secondary key."""
        service = self.get(workspace, name)
        if which not in ("Primary", "Secondary"):
            raise bad_request(f"keyType must be Primary or Secondary, not {which!r}.", "InvalidKeyType")
        if value is not None and (not isinstance(value, str) or not value):
            raise bad_request("keyValue must be a string that is not empty.", "InvalidKeyValue")
        self._needs_keys(service)
        key = value or self._key()
        if which == "Primary":
            service.primary_key = key
        else:
            service.secondary_key = key
        return self.state.operations.start("service-keys", name)

    def keys(self, workspace: Workspace, name: str) -> tuple[str, str]:
        """Return both keys."""
        service = self.get(workspace, name)
        self._needs_keys(service)
        return service.primary_key, service.secondary_key

    def _needs_keys(self, service: Webservice) -> None:
        if not service.settings.get("authEnabled"):
            raise bad_request(
                f"Key authentication is not enabled for service {service.name}.", "KeyAuthenticationNotEnabled"
            )

    def forget(self, workspace: Workspace) -> None:
        """Stop the containers of a workspace that is deleted, too."""
        for service in self.all(workspace):
            self.deployer.remove(workspace, service)
        super().forget(workspace)

    def closing(self) -> None:
        """Stop every container."""
        self.runtime.close()

    def loaded(self) -> None:
        """Start the containers that an import says should serve."""
        self.deployer.resume()
