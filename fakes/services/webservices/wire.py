"""Services as Azure ML writes them. Which members the SDK cannot do without: azureml-core 1.61, ``core/webservice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakes.core.clock import iso
from fakes.services.webservices import sources
from fakes.services.webservices.addresses import scoring_uri
from fakes.services.webservices.deploying import replicas
from fakes.services.webservices.records import HEALTHY, Document, Unit, Webservice
from fakes.services.webservices.words import ACI, AKS

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace


def service_document(state: State, workspace: Workspace, service: Webservice) -> Document:
    """Return one service in full."""
    document: Document = {
        "id": service.id,
        "name": service.name,
        "computeType": service.compute_type,
        "createdTime": iso(service.created),
        "updatedTime": iso(service.updated),
        "createdBy": service.created_by,
        "description": service.description,
        "kvTags": service.tags,
        "properties": service.properties,
        "state": service.state,
        "error": service.error,
        "operationId": service.operation,
        # A service that never came up has no address (https://github.com/nthacker/AML-service-labs/issues/2).
        "scoringUri": scoring_uri(service) if any(u.serving for u in service.units.values()) else None,
    }
    if service.is_endpoint:
        document |= service.own_settings
        document["versions"] = {name: _version(state, workspace, service, unit) for name, unit in service.units.items()}
        document["deploymentStatus"] = _deployment_status(list(service.units.values()))
        return document
    return document | _unit(state, workspace, service, service.unit)


def _version(state: State, workspace: Workspace, service: Webservice, unit: Unit) -> Document:
    return {
        "id": service.id,
        "name": unit.name,
        "computeType": AKS,
        "createdTime": iso(unit.created),
        "updatedTime": iso(unit.updated),
        "createdBy": service.created_by,
        "description": unit.description,
        "kvTags": unit.tags,
        "properties": unit.properties,
        "state": unit.state,
        "error": unit.error,
        "scoringUri": scoring_uri(service) if unit.serving else None,
        "trafficPercentile": unit.traffic,
        "isDefault": unit.is_default,
        "type": unit.version_type,
    } | _unit(state, workspace, service, unit)


def _unit(state: State, workspace: Workspace, service: Webservice, unit: Unit) -> Document:
    deployment = unit.wanted or unit.serving
    document: Document = dict(unit.settings)
    # Secrets are never given back.
    document |= {name: None for name in ("sslKey",) if name in document}
    if deployment is not None:
        models = [sources.document(state, workspace, model_id) for model_id in deployment.models]
        document |= {
            "imageId": deployment.image,
            "imageDigest": None,
            "environmentImageRequest": deployment.request,
            "models": [model for model in models if model is not None],
        }
    if unit.compute_type == ACI:
        document["publicIp"] = _public_ip(service.id) if unit.serving else None
        # Azure's own field for the group's address; the SDK shows it and asks nothing of it.
        document.setdefault("vnetConfiguration", None)
        document.setdefault("encryptionProperties", None)
    else:
        document["deploymentStatus"] = _deployment_status([unit])
        document["modelConfigMap"] = {}
    return document


def _deployment_status(units: list[Unit]) -> Document:
    desired = sum(replicas(unit) for unit in units)
    available = sum(replicas(unit) for unit in units if unit.serving and unit.state == HEALTHY)
    return {
        "replicas": desired,
        "updatedReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": desired - available,
        "error": next((unit.error for unit in units if unit.error), None),
    }


def _public_ip(service_id: str) -> str:
    """An address of the block that documents may use (RFC 5737), stable for a service."""
    return f"203.0.113.{int(service_id.replace('-', '')[:6], 16) % 254 + 1}"


def matches(service: Webservice, query: dict[str, str | None]) -> bool:
    """Tell whether a service is meant by the filters of a list."""
    wanted_type = query.get("computeType")
    if wanted_type and service.compute_type.casefold() != wanted_type.casefold():
        return False
    ids = [m for unit in service.units.values() for d in (unit.wanted or unit.serving,) if d for m in d.models]
    if query.get("modelId") and query["modelId"] not in ids:
        return False
    if query.get("modelName") and query["modelName"] not in {m.rpartition(":")[0] for m in ids}:
        return False
    images = [d.image for unit in service.units.values() for d in (unit.wanted or unit.serving,) if d]
    for name in ("imageId", "imageName"):
        wanted = query.get(name)
        if wanted and not any(wanted in (image, image.rpartition("/")[2]) for image in images):
            return False
    if query.get("imageDigest"):
        return False
    return _has(service.tags, query.get("tags")) and _has(service.properties, query.get("properties"))


def _has(pairs: dict[str, Any], wanted: str | None) -> bool:
    """``key,key=value``: every key is there, with the value where one is given."""
    for part in (wanted or "").split(","):
        key, equals, value = part.partition("=")
        if key and (key not in pairs or (equals and pairs[key] != value)):
            return False
    return True
