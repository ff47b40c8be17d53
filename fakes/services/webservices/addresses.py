"""Where a service is asked.

ACI: ``http://<id or DNS label>.<region>.azurecontainer.io/score``. AKS: ``/api/v1/service/<name>/score`` (endpoints:
``/api/v1/endpoint/<name>/score``) on the cluster's front end. Azure gives that front end a bare public address unless
the cluster has a leaf domain label; the fake always gives it a name below ``cloudapp.azure.com``, so that it can be
told from the rest of the Internet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakes.core.errors import AzureError, bad_request
from fakes.services.compute.models import AKS as AKS_COMPUTE
from fakes.services.compute.models import Compute, Computes
from fakes.services.webservices.records import Document, Webservice
from fakes.services.webservices.words import ACI, ENDPOINT

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace


@dataclass(frozen=True)
class Address:
    """Scheme and host of a service, and its id when it is new."""

    scheme: str
    hostname: str
    service_id: str


def address(state: State, workspace: Workspace, compute_type: str, service_id: str, payload: Document) -> Address:
    """Return where a service of this payload is asked; checks its cluster."""
    service_id = service_id or state.ids.guid()
    if compute_type == ACI:
        region = payload.get("location") or workspace.location
        label = payload.get("dnsNameLabel") or service_id
        if payload.get("sslEnabled") and payload.get("cname"):
            return Address("https", str(payload["cname"]).casefold(), service_id)
        return Address("http", f"{label}.{region}.azurecontainer.io".casefold(), service_id)
    cluster = _cluster(state, workspace, payload.get("computeName"))
    ssl = cluster.inner.get("sslConfiguration") or {}
    region = cluster.location
    if str(ssl.get("status") or "Disabled").casefold() != "disabled":
        if ssl.get("cname"):
            return Address("https", str(ssl["cname"]).casefold(), service_id)
        label = str(ssl.get("leafDomainLabel") or cluster.name)
        return Address("https", f"{label}.{region}.cloudapp.azure.com".casefold(), service_id)
    stem = re.sub(r"[^a-z0-9-]", "", f"{workspace.name}-{cluster.name}".casefold())
    return Address("http", f"{stem}.{region}.cloudapp.azure.com", service_id)


def _cluster(state: State, workspace: Workspace, name: object) -> Compute:
    if not isinstance(name, str) or not name:
        raise bad_request("A service on AKS needs a compute target: pass deployment_target.", "ComputeNameRequired")
    try:
        cluster = state.backend(Computes).get(workspace, name)
    except AzureError as error:
        raise bad_request(error.message, "ComputeNotFound") from error
    if cluster.type != AKS_COMPUTE:
        raise bad_request(f"Compute {name} is of type {cluster.type}; services run on AKS.", "InvalidComputeType")
    if cluster.state not in ("Succeeded", "Updating"):
        raise bad_request(f"Compute {name} is in state {cluster.state}; services need Succeeded.", "ComputeNotReady")
    return cluster


def scoring_path(service: Webservice) -> str:
    """Return the path at which a service scores."""
    if service.compute_type == ACI:
        return "/score"
    kind = "endpoint" if service.compute_type == ENDPOINT else "service"
    return f"/api/v1/{kind}/{service.name}/score"


def scoring_uri(service: Webservice) -> str:
    """Return the address that clients send to."""
    port = ":80" if service.scheme == "http" and service.compute_type != ACI else ""
    return f"{service.scheme}://{service.hostname}{port}{scoring_path(service)}"
