"""Which host names are Azure's, and which part of the fake answers them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

SIGNIN = "signin"
ARM = "arm"
API = "api"
BLOB = "blob"
REGISTRY = "registry"
SCORING = "scoring"
TELEMETRY = "telemetry"
ADMIN = "admin"

# Suffixes that are Azure's: a name below one of them that no family answers is refused, it never leaves the machine.
# The certificate authority of the server is constrained to the same names.
AZURE_SUFFIXES = (
    "microsoftonline.com",
    "login.windows.net",
    "sts.windows.net",
    "graph.windows.net",
    "graph.microsoft.com",
    "management.azure.com",
    "management.core.windows.net",
    "core.windows.net",
    "azureml.ms",
    "azureml.net",
    "azurecr.io",
    "azurecontainer.io",
    "cloudapp.azure.com",
    "azmk8s.io",
    "vault.azure.net",
    "dc.services.visualstudio.com",
    "applicationinsights.azure.com",
    "mcr.microsoft.com",
)
# The address of the managed identity service of a virtual machine.
METADATA_ADDRESS = "169.254.169.254"


@dataclass(frozen=True)
class Family:
    """Host names that one part of the fake answers; `pattern` matches the lower-case name without its port."""

    name: str
    pattern: re.Pattern[str]


_FAMILIES = [
    Family(SIGNIN, re.compile(r"login\.microsoftonline\.com|login\.windows\.net|sts\.windows\.net|169\.254\.169\.254")),
    Family(ARM, re.compile(r"management\.azure\.com")),
    Family(API, re.compile(r"[a-z0-9-]+(\.(api|experiments|modelmanagement|workspace))*\.azureml\.(ms|net)")),
    Family(BLOB, re.compile(r"[a-z0-9]+\.blob\.core\.windows\.net")),
    Family(REGISTRY, re.compile(r"[a-z0-9]+\.azurecr\.io")),
    Family(SCORING, re.compile(r"[a-z0-9.-]+\.azurecontainer\.io|[a-z0-9.-]+\.cloudapp\.azure\.com")),
    Family(TELEMETRY, re.compile(r"dc\.services\.visualstudio\.com|[a-z0-9-]+\.in\.applicationinsights\.azure\.com")),
]


def bare(host: str) -> str:
    """Return `host` in lower case without a port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0].lstrip("[")
    return name.rpartition(":")[0] if re.search(r":\d*$", name) else name


def family_of(host: str) -> str | None:
    """Return the family that answers `host`, or None."""
    name = bare(host)
    for family in _FAMILIES:
        if family.pattern.fullmatch(name):
            return family.name
    return None


def is_azure(host: str) -> bool:
    """Tell whether `host` belongs to Azure: such a name is answered by the fake or refused, never contacted."""
    name = bare(host)
    return name == METADATA_ADDRESS or any(name == s or name.endswith("." + s) for s in AZURE_SUFFIXES)


def is_loopback(host: str) -> bool:
    """Tell whether `host` names this machine."""
    name = bare(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
