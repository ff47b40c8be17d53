"""Change a service in place: the JSON Patch operations of ``update``, and the versions of AKS endpoints."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError, bad_request
from fakes.core.operations import Operation
from fakes.services.webservices import defaults, patch
from fakes.services.webservices.deploying import slots
from fakes.services.webservices.records import Deployment, Unit, Webservice
from fakes.services.webservices.words import ACI, AKS

if TYPE_CHECKING:
    from fakes.core.tenancy import Workspace
    from fakes.services.webservices.models import Webservices

Edit = tuple[str, list[str], Any]


def patch_service(
    services: Webservices, workspace: Workspace, service: Webservice, edits: list[Edit]
) -> tuple[Webservice, Operation | None]:
    """Apply `edits` to a service: all of them, or (on an error) none."""
    draft = copy.deepcopy(service)
    redeploy: list[Unit] = []
    stale: list[Deployment | None] = []
    for op, path, value in edits:
        if service.is_endpoint and path[0] == "versions":
            _patch_version(services, workspace, draft, op, path[1:], value, redeploy, stale)
        else:
            _patch_own(services, workspace, draft, op, path, value, redeploy)
    for unit in draft.units.values():
        defaults.check_aci(unit.settings) if unit.compute_type == ACI else defaults.check_aks(unit.settings)
    defaults.check_auth(draft.settings)
    if draft.is_endpoint:
        services.share(draft)
    now = services.state.clock.now()
    draft.updated = now
    services.items[service.workspace][service.name] = draft
    for unit in draft.units.values():
        before = service.units.get(unit.name)
        again = any(unit is other for other in redeploy)
        if before is not None and again:
            stale += [before.wanted, before.serving]
        if unit.serving is not None and not again:
            running = services.runtime.get(unit.serving.id)
            if running is not None:
                running.gate.resize(slots(unit))
    if not redeploy and not any(stale):
        return draft, None
    return draft, services.deployer.deploy(workspace, draft, redeploy, stale)


def _patch_own(
    services: Webservices,
    workspace: Workspace,
    service: Webservice,
    op: str,
    path: list[str],
    value: Any,
    redeploy: list[Unit],
) -> None:
    head = path[0]
    if op == "remove":
        raise bad_request(f"/{'/'.join(path)} cannot be removed from a service.", "InvalidPatchPath")
    if head == "kvTags" and len(path) == 1:
        service.tags = _tags(value)
    elif head == "description" and len(path) == 1:
        service.description = value
    elif head == "properties" and len(path) >= 2:
        patch.apply_properties(service.properties, path, value)
    elif head == "environmentImageRequest" and len(path) == 1 and not service.is_endpoint:
        service.unit.wanted = services.deployment(workspace, value)
        redeploy.append(service.unit)
    else:
        patch.apply_setting(service.settings, service.compute_type, path, value)


def _patch_version(
    services: Webservices,
    workspace: Workspace,
    service: Webservice,
    op: str,
    path: list[str],
    value: Any,
    redeploy: list[Unit],
    stale: list[Deployment | None],
) -> None:
    name, rest = path[0] if path else "", path[1:]
    if not rest and op == "add":
        if services.state.settings.strict:
            defaults.check_name(name)
        if name in service.units:
            raise AzureError(409, "Conflict", f"Endpoint {service.name} has a version {name} already.")
        if not isinstance(value, dict):
            raise bad_request(f"Version {name} is not an object.", "InvalidPatch")
        unit = services.new_unit(workspace, service, name, value)
        service.units[name] = unit
        redeploy.append(unit)
        return
    found = service.units.get(name)
    if found is None:
        raise AzureError(404, "NotFound", f"Endpoint {service.name} has no version {name}.")
    if not rest and op == "remove":
        del service.units[name]
        stale += [found.wanted, found.serving]
        return
    if op == "remove" or not rest:
        raise bad_request(f"/versions/{'/'.join(path)} cannot be changed like this.", "InvalidPatchPath")
    _edit_version(services, workspace, found, rest, value, redeploy)


def _edit_version(
    services: Webservices, workspace: Workspace, unit: Unit, path: list[str], value: Any, redeploy: list[Unit]
) -> None:
    head = path[0]
    if head == "trafficPercentile":
        unit.traffic = defaults.traffic(value)
    elif head == "isDefault":
        unit.is_default = bool(value)
    elif head == "type":
        if value not in ("Control", "Treatment"):
            raise bad_request(f"The type of a version is Control or Treatment, not {value!r}.", "InvalidVersionType")
        unit.version_type = value
    elif head == "description":
        unit.description = value
    elif head in ("tags", "kvTags"):
        unit.tags = _tags(value)
    elif head == "properties" and len(path) >= 2:
        patch.apply_properties(unit.properties, path, value)
    elif head == "environmentImageRequest":
        unit.wanted = services.deployment(workspace, value)
        redeploy.append(unit)
    else:
        patch.apply_setting(unit.settings, AKS, path, value)


def _tags(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request("Tags must be an object.", "InvalidTags")
    return {str(key): "" if item is None else str(item) for key, item in value.items()}
