"""What a program needs to know to go through the server: variables and certificate files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from fakes.core.settings import Settings

# Variables that change where the SDK signs in or what it contacts: a program under the fake must not see the user's.
SCRUBBED_PREFIXES = ("AZUREML_", "AZURE_", "MSI_", "IDENTITY_", "ARM_CLOUD_METADATA_URL", "SP_APP_")
STILL = {
    "AZUREML_CURRENT_CLOUD": "AzureCloud",
    "AZUREML_LOG_DEPRECATION_WARNING_ENABLED": "False",
    # Read when azureml is first imported: fault tests need not wait for its back-off.
    "AZUREML_DEFAULT_BACKOFF": "0",
    "AZUREML_DEFAULT_500_BACKOFF": "0",
    "AZUREML_DEFAULT_503_BACKOFF": "0",
    # Stills telemetry.
    "HBI_WORKSPACE_JOB": "true",
}
KEPT = ("AZUREML_DEFAULT_RETRIES",)
# No "::1": the native data engine takes what follows a colon for a port and panics.
_LOOPBACK = "127.0.0.1,localhost"
AZURE_CLI = ".azure"


def write_certificates(folder: Path, pem: str) -> None:
    """Write ``ca.pem`` (the fake's authority) and ``bundle.pem`` (the same after the usual authorities)."""
    usual = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    known = Path(usual).read_text(encoding="utf-8", errors="replace") if Path(usual).is_file() else ""
    (folder / "ca.pem").write_text(pem, encoding="utf-8")
    (folder / "bundle.pem").write_text(f"{known.rstrip()}\n{pem}", encoding="utf-8")


def proxy_variables(address: str, folder: Path, *, other_hosts: bool = False) -> dict[str, str]:
    """Return the variables that lead a program's HTTPS and HTTP requests through the server.

    Parameters
    ----------
    address
        Of the server, ``http://127.0.0.1:PORT``.
    folder
        Where `write_certificates` wrote.
    other_hosts
        Trust the usual authorities as well. Each connection of ``requests`` reads them all, some 25 ms: a program that
        talks to Azure only does better without.
    """
    bundle = str(folder / ("bundle.pem" if other_hosts else "ca.pem"))
    # The admin address of a server elsewhere is not to be asked of its own proxy.
    server = urlsplit(address).hostname or ""
    direct = _LOOPBACK if server in _LOOPBACK.split(",") else f"{_LOOPBACK},{server}"
    return {
        "HTTPS_PROXY": address,
        "HTTP_PROXY": address,
        "https_proxy": address,
        "http_proxy": address,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "NODE_EXTRA_CA_CERTS": str(folder / "ca.pem"),
        "NODE_USE_ENV_PROXY": "1",  # the built-in fetch of Node 24 and later looks at proxies only then
        "FAKES_ADDRESS": address,
    }


def write_azure_cli(home: Path, files: Mapping[str, str]) -> None:
    """Write the az CLI's folder of a HOME; without files there is none."""
    if not files:
        return
    folder = home / AZURE_CLI
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)


def fixed_variables(home: Path) -> dict[str, str]:
    """Return the variables that still the SDK and give a program a HOME of its own."""
    there = (home / AZURE_CLI).is_dir()
    variables = {
        **STILL,
        "HOME": str(home),
        # Else a directory that does not exist: the SDK would keep cloud metadata there.
        "AZURE_CONFIG_DIR": str(home / (AZURE_CLI if there else "no-azure-cli-here")),
    }
    packages = Path(os.environ.get("PYTHONUSERBASE") or Path.home() / ".local")
    if packages.is_dir():
        variables["PYTHONUSERBASE"] = str(packages)  # packages installed with --user stay importable
    return variables


def identity_variables(settings: Settings, home: Path) -> dict[str, str]:
    """Return the variables that make a program sign in as the fake's service principal, with a HOME of its own."""
    return {**fixed_variables(home), **settings.environment()}


def is_scrubbed(name: str) -> bool:
    """Tell whether a variable of the user must not be seen by a program under the fake."""
    return name.startswith(SCRUBBED_PREFIXES) and name not in KEPT


def scrubbed(environment: dict[str, str]) -> dict[str, str]:
    """Return `environment` without the user's own Azure variables."""
    return {name: value for name, value in environment.items() if not is_scrubbed(name)}
