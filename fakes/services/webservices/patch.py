"""Apply the JSON Patch documents (RFC 6902) that the SDK sends to services: replace and add of known paths."""

from __future__ import annotations

from typing import Any

from fakes.core.errors import bad_request

Document = dict[str, Any]

# Paths of settings, and whether they have one more level.
_FLAT = {
    "ACI": {"authEnabled", "appInsightsEnabled", "sslEnabled", "sslCertificate", "sslKey", "cname"},
    "AKS": {
        "authEnabled",
        "aadAuthEnabled",
        "appInsightsEnabled",
        "scoringTimeoutMs",
        "maxConcurrentRequestsPerContainer",
        "maxQueueWaitMs",
        "numReplicas",
        "namespace",
    },
    "AKSENDPOINT": {"authEnabled", "aadAuthEnabled", "appInsightsEnabled"},
}
_NESTED = {
    "ACI": {"containerResourceRequirements"},
    "AKS": {"autoScaler", "containerResourceRequirements", "livenessProbeRequirements", "dataCollection"},
    "AKSENDPOINT": set[str](),
}


def operations(document: object) -> list[tuple[str, list[str], Any]]:
    """Return ``(op, path segments, value)`` of a JSON Patch; 400 when it is none."""
    if not isinstance(document, list) or not document:
        raise bad_request("The request body must be a JSON Patch: a list of operations.", "InvalidPatch")
    found = []
    for item in document:
        if not isinstance(item, dict) or item.get("op") not in ("add", "replace", "remove"):
            raise bad_request(f"Not a JSON Patch operation that services take: {item!r}.", "InvalidPatch")
        path = item.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            raise bad_request(f"Not a JSON Pointer: {path!r}.", "InvalidPatch")
        if item["op"] != "remove" and "value" not in item:
            raise bad_request(f"The operation on {path} has no value.", "InvalidPatch")
        segments = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
        found.append((item["op"], segments, item.get("value")))
    return found


def apply_setting(settings: Document, compute_type: str, path: list[str], value: Any) -> None:
    """Set one member of `settings`; 400 when services of this type do not have it."""
    if len(path) == 1 and path[0] in _FLAT[compute_type]:
        settings[path[0]] = value
        return
    if len(path) == 2 and path[0] in _NESTED[compute_type] and path[1] in settings[path[0]]:
        settings[path[0]] = {**settings[path[0]], path[1]: value}
        return
    raise bad_request(
        f"A service of type {compute_type} has no /{'/'.join(path)} that can be changed.", "InvalidPatchPath"
    )


def apply_properties(properties: dict[str, str], path: list[str], value: Any) -> None:
    """Add one property; properties that are there cannot be changed."""
    key = "/".join(path[1:])
    if key in properties and properties[key] != value:
        raise bad_request(
            f"The property '{key}' has the value '{properties[key]}' and cannot be changed, only added.",
            "PropertiesImmutable",
        )
    properties[key] = value
