"""Tokens of Azure that the SDK does not get itself: from the az CLI, and in exchange for a pipeline's own token.

The SDK's ``AzureCliAuthentication`` wants the package azure-cli in this environment. Nobody has it there: people and
pipelines (``AzureCLI@2``, ``azure/login``) have the program ``az``, so it is the program that is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.errors import Unavailable

EARLY = 300.0
"""Seconds before its end at which a token is renewed; Azure's own libraries take the same five minutes."""
AUDIENCE = "api://AzureADTokenExchange"
"""What Azure wants a pipeline's token to be for: https://learn.microsoft.com/entra/workload-id."""
_LOGIN = "run `az login`; in a pipeline, run the command in a step of AzureCLI@2 or after azure/login"
_PATIENCE = 60.0

Ask = Callable[[str], tuple[str, float]]
"""For an audience: a token, and the time at which it ends."""


@dataclass
class Kept:
    """Tokens by audience, each asked for again shortly before it ends: a training run outlasts several."""

    ask: Ask
    now: Callable[[], float] = time.time
    _kept: dict[str, tuple[str, float]] = field(default_factory=dict, repr=False)

    def __call__(self, audience: str) -> str:
        """A token for `audience` that is valid."""
        token, ends = self._kept.get(audience, ("", 0.0))
        if ends - EARLY <= self.now():
            token, ends = self._kept[audience] = self.ask(audience)
        return token


def of_cli(tenant: str) -> Ask:
    """Ask the az CLI that is on the path; `tenant` is empty for that of its default subscription."""

    def ask(audience: str) -> tuple[str, float]:
        program = shutil.which("az")
        if program is None:
            raise Unavailable("there is no az on the path", hint="install the Azure CLI, then `az login`")
        command = [program, "account", "get-access-token", "--resource", audience, "--output", "json"]
        try:
            done = subprocess.run(
                [*command, *(["--tenant", tenant] if tenant else [])],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"az gives no token: {error}", hint="try it: az account get-access-token") from error
        if done.returncode != 0:
            raise Unavailable(f"az gives no token: {_last(done.stderr)}", hint=_LOGIN)
        return _read(done.stdout)

    return ask


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "it does not say why")
    return said.removeprefix("ERROR:").strip()[:300]


def _read(text: str) -> tuple[str, float]:
    """`expires_on` came with az 2.54; what older ones say instead is a local time, so their token is used once."""
    try:
        answer = json.loads(text)
        return str(answer["accessToken"]), float(answer.get("expires_on") or 0)
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            "az gives no token: its answer cannot be read", hint="try it: az account get-access-token"
        ) from error


def pipelines_own(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this pipeline can have a token of its own: a file of it, or GitHub's address that gives them."""
    environ = os.environ if environ is None else environ
    if environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        return True
    return bool(environ.get("ACTIONS_ID_TOKEN_REQUEST_URL") and environ.get("AZURE_CLIENT_ID"))


def federated(tenant: str, client: str, explain: Callable[[str], Exception]) -> Ask:
    """Exchange the pipeline's own token for one of Azure (workload identity).

    The pipeline's token is read anew each time: it ends after minutes, a training run after hours. Sources:
    https://learn.microsoft.com/entra/workload-id/workload-identity-federation (the exchange, and the file that the
    workload identity webhook keeps fresh); https://docs.github.com/actions/reference/security/oidc (GitHub's address).

    Raises
    ------
    registry.errors.Unavailable
        Tenant, client or the pipeline's token is not known.
    """
    import msal

    tenant = tenant or os.environ.get("AZURE_TENANT_ID", "")
    client = client or os.environ.get("AZURE_CLIENT_ID", "")
    if not (tenant and client and pipelines_own({**os.environ, "AZURE_CLIENT_ID": client})):
        raise Unavailable(
            "workload identity needs a tenant, a client id and AZURE_FEDERATED_TOKEN_FILE (or a job of GitHub with the "
            "permission id-token: write)",
            hint="set AZURE_TENANT_ID and AZURE_CLIENT_ID; or sign in with AzureCLI@2 or azure/login",
        )

    def ask(audience: str) -> tuple[str, float]:
        application = msal.ConfidentialClientApplication(
            client,
            authority=f"https://login.microsoftonline.com/{tenant}",
            client_credential={"client_assertion": _assertion},
        )
        answer = application.acquire_token_for_client(scopes=[f"{audience}/.default"])
        if "access_token" not in answer:
            raise explain(str(answer.get("error_description") or answer.get("error")))
        return str(answer["access_token"]), time.time() + float(answer.get("expires_in") or 0)

    return ask


def _assertion() -> str:
    """The token of the pipeline itself."""
    file = os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    import requests

    address = f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}"
    bearer = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    try:
        answer = requests.get(address, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
        answer.raise_for_status()
        document: Any = answer.json()
        return str(document["value"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise Unavailable(
            f"GitHub gives this job no token: {type(error).__name__}", hint="the job needs permissions: id-token: write"
        ) from error
