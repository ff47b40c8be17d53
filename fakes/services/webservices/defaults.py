"""What a service is made with when a request leaves it open, and which values are refused.

Sources: parameter documentation of ``AciWebservice``, ``AksWebservice`` and ``AksEndpoint`` ``.deploy_configuration``
(azureml-core 1.61); scoring time-out limit: https://github.com/Azure/MachineLearningNotebooks/issues/1624; traffic and
versions: "Deploy models to AKS using controlled rollout" in Microsoft's how-to-deploy-azure-kubernetes-service (v1).
"""

from __future__ import annotations

import re
from typing import Any

from fakes.core.errors import bad_request
from fakes.services.webservices.words import ACI, AKS, ENDPOINT

Document = dict[str, Any]

NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAX_SCORING_TIMEOUT_MS = 300_000
MAX_VERSIONS = 6
# Requests to AKS services larger than this are refused.
MAX_PAYLOAD = 100 * 1024**2

_LIVENESS = {
    "periodSeconds": 10,
    "initialDelaySeconds": 310,
    "timeoutSeconds": 2,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_COMMON = {"name", "description", "kvTags", "properties", "keys", "computeType", "overwrite", "tags", "location"}
_ACI = {
    "containerResourceRequirements",
    "authEnabled",
    "cname",
    "dnsNameLabel",
    "environmentImageRequest",
    "location",
    "appInsightsEnabled",
    "sslEnabled",
    "sslCertificate",
    "sslKey",
    "dataCollection",
    "encryptionProperties",
    "vnetConfiguration",
    "imageId",
}
_VERSION = {
    "numReplicas",
    "computeName",
    "autoScaler",
    "containerResourceRequirements",
    "maxConcurrentRequestsPerContainer",
    "maxQueueWaitMs",
    "namespace",
    "scoringTimeoutMs",
    "authEnabled",
    "aadAuthEnabled",
    "appInsightsEnabled",
    "livenessProbeRequirements",
    "storageInitEnabled",
    "dataCollection",
    "environmentImageRequest",
    "imageId",
    "trafficPercentile",
    "isDefault",
    "type",
}
_ENDPOINT = {"computeName", "appInsightsEnabled", "namespace", "authEnabled", "aadAuthEnabled", "versions"}
_FIELDS = {ACI: _COMMON | _ACI, AKS: _COMMON | _VERSION, ENDPOINT: _COMMON | _ENDPOINT}


def check_name(name: object) -> str:
    """Return a service or version name that Azure takes; 400 for others."""
    if not isinstance(name, str) or not 3 <= len(name) <= 32 or not NAME.fullmatch(name):
        raise bad_request(
            f"Invalid service name {name!r}: it must be 3 to 32 characters long, consist of lower case letters, digits "
            "and dashes, begin with a letter and not end with a dash.",
            "InvalidServiceName",
        )
    return name


def check_fields(payload: Document, compute_type: str) -> None:
    """Refuse members that a service of this type does not have."""
    unknown = sorted(set(payload) - _FIELDS[compute_type])
    if unknown:
        raise bad_request(f"Unknown members for a service of type {compute_type}: {', '.join(unknown)}.")


def aci(payload: Document, region: str) -> Document:
    """Return the settings of an ACI service with defaults filled in."""
    settings: Document = {
        "containerResourceRequirements": _resources(payload, limits=False),
        "authEnabled": bool(payload.get("authEnabled") or False),
        "appInsightsEnabled": bool(payload.get("appInsightsEnabled") or False),
        "location": payload.get("location") or region,
        "cname": payload.get("cname"),
        "dnsNameLabel": payload.get("dnsNameLabel"),
        "sslEnabled": bool(payload.get("sslEnabled") or False),
        "sslCertificate": payload.get("sslCertificate"),
        "sslKey": payload.get("sslKey"),
    }
    for name in ("encryptionProperties", "vnetConfiguration", "dataCollection"):
        if payload.get(name) is not None:
            settings[name] = payload[name]
    check_aci(settings)
    return settings


def check_aci(settings: Document) -> None:
    """Refuse settings that ACI does not take."""
    resources = settings["containerResourceRequirements"]
    if not 0 < _number(resources["cpu"], "cpu") <= 4 or not 0 < _number(resources["memoryInGB"], "memoryInGB") <= 16:
        raise bad_request(
            f"The requested resources ({resources['cpu']} cores, {resources['memoryInGB']} GB) are not available in "
            f"{settings['location']}: at most 4 cores and 16 GB.",
            "ResourcesNotAvailable",
        )
    if settings["sslEnabled"] and not (settings["sslCertificate"] and settings["sslKey"] and settings["cname"]):
        raise bad_request("SSL is enabled, but certificate, key or cname are missing.", "InvalidSslConfiguration")


def aks(payload: Document) -> Document:
    """Return the settings of an AKS service or endpoint version with defaults filled in."""
    scaler = dict(payload.get("autoScaler") or {})
    replicas = payload.get("numReplicas")
    enabled = scaler.get("autoscaleEnabled")
    liveness = {**_LIVENESS, **_given(payload.get("livenessProbeRequirements"))}
    token = bool(payload.get("aadAuthEnabled") or False)
    settings: Document = {
        "containerResourceRequirements": _resources(payload, limits=True),
        "numReplicas": replicas,
        "autoScaler": {
            "autoscaleEnabled": replicas is None if enabled is None else bool(enabled),
            "minReplicas": scaler.get("minReplicas") or 1,
            "maxReplicas": scaler.get("maxReplicas") or 10,
            "targetUtilization": scaler.get("targetUtilization") or 70,
            "refreshPeriodInSeconds": scaler.get("refreshPeriodInSeconds") or 1,
        },
        "maxConcurrentRequestsPerContainer": payload.get("maxConcurrentRequestsPerContainer") or 1,
        "maxQueueWaitMs": payload.get("maxQueueWaitMs") or 500,
        "scoringTimeoutMs": payload.get("scoringTimeoutMs") or 60_000,
        "authEnabled": not token if payload.get("authEnabled") is None else bool(payload["authEnabled"]),
        "aadAuthEnabled": token,
        "appInsightsEnabled": bool(payload.get("appInsightsEnabled") or False),
        "namespace": payload.get("namespace"),
        "livenessProbeRequirements": liveness,
        "dataCollection": {"eventHubEnabled": False, "storageEnabled": False, **_given(payload.get("dataCollection"))},
        "storageInitEnabled": bool(payload.get("storageInitEnabled") or False),
        "computeName": payload.get("computeName"),
    }
    check_aks(settings)
    return settings


def check_aks(settings: Document) -> None:
    """Refuse settings that AKS does not take."""
    check_auth(settings)
    timeout = _positive(settings["scoringTimeoutMs"], "scoringTimeoutMs")
    if timeout > MAX_SCORING_TIMEOUT_MS:
        raise bad_request(
            f"scoringTimeoutMs must not be more than {MAX_SCORING_TIMEOUT_MS}, not {timeout:g}.", "InvalidTimeout"
        )
    for name in ("maxQueueWaitMs", "maxConcurrentRequestsPerContainer"):
        _positive(settings[name], name)
    scaler = settings["autoScaler"]
    if scaler["autoscaleEnabled"]:
        low, high = _positive(scaler["minReplicas"], "minReplicas"), _positive(scaler["maxReplicas"], "maxReplicas")
        if low > high:
            raise bad_request(f"minReplicas ({low:g}) must not be more than maxReplicas ({high:g}).", "InvalidReplicas")
        if not 0 < _number(scaler["targetUtilization"], "targetUtilization") <= 100:
            raise bad_request("targetUtilization must be between 1 and 100.", "InvalidUtilization")
    elif settings["numReplicas"] is None:
        raise bad_request("Autoscaling is off, and numReplicas is not given.", "InvalidReplicas")
    else:
        _positive(settings["numReplicas"], "numReplicas")
    for name, value in settings["livenessProbeRequirements"].items():
        _positive(value, name)
    resources = settings["containerResourceRequirements"]
    for name, limit in (("cpu", "cpuLimit"), ("memoryInGB", "memoryInGBLimit")):
        wanted = _positive(resources[name], name)
        if resources[limit] is not None and _number(resources[limit], limit) < wanted:
            raise bad_request(f"{limit} must not be less than {name}.", "InvalidResources")
    namespace = settings["namespace"]
    if namespace is not None and not NAMESPACE.fullmatch(str(namespace)):
        raise bad_request(f"{namespace!r} is not a Kubernetes namespace.", "InvalidNamespace")


def check_auth(settings: Document) -> None:
    """Keys and tokens exclude each other."""
    if settings.get("authEnabled") and settings.get("aadAuthEnabled"):
        raise bad_request(
            "authEnabled and aadAuthEnabled cannot both be true: a service has keys or tokens.", "InvalidAuthentication"
        )


def endpoint(payload: Document) -> Document:
    """Return the settings of an AKS endpoint itself, without its versions."""
    token = bool(payload.get("aadAuthEnabled") or False)
    settings = {
        "computeName": payload.get("computeName"),
        "appInsightsEnabled": bool(payload.get("appInsightsEnabled") or False),
        "namespace": payload.get("namespace"),
        "authEnabled": not token if payload.get("authEnabled") is None else bool(payload["authEnabled"]),
        "aadAuthEnabled": token,
    }
    check_auth(settings)
    return settings


def traffic(value: object) -> float:
    """Return a share of traffic in percent."""
    share = _number(0 if value is None else value, "trafficPercentile")
    if not 0 <= share <= 100:
        raise bad_request(f"trafficPercentile must be between 0 and 100, not {share:g}.", "InvalidTrafficPercentile")
    return share


def _resources(payload: Document, *, limits: bool) -> Document:
    given = _given(payload.get("containerResourceRequirements"))
    resources: Document = {"cpu": given.get("cpu", 0.1), "memoryInGB": given.get("memoryInGB", 0.5)}
    if limits:
        resources |= {
            "cpuLimit": given.get("cpuLimit"),
            "memoryInGBLimit": given.get("memoryInGBLimit"),
            "gpu": given.get("gpu", 0),
        }
    return resources


def _given(document: object) -> Document:
    return {k: v for k, v in document.items() if v is not None} if isinstance(document, dict) else {}


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad_request(f"{name} must be a number, not {value!r}.")
    return float(value)


def _positive(value: object, name: str) -> float:
    number = _number(value, name)
    if number <= 0:
        raise bad_request(f"{name} must be greater than zero, not {value!r}.")
    return number
