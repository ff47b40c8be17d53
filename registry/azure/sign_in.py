"""How to sign in to Azure, and what a failed sign-in means."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.azure import tokens
from registry.errors import Unavailable

# Codes of the Microsoft identity platform; https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"AADSTS7000215|AADSTS70002\b",
        "the client secret is wrong",
        "set SP_APP_SECRET to the secret's value, not its id",
    ),
    (r"AADSTS7000222", "the client secret has expired", "make a new secret for the application and set SP_APP_SECRET"),
    # MSAL asks for the tenant's configuration first, and has words of its own when that is refused.
    (
        r"AADSTS90002|AADSTS900023|Unable to get authority configuration",
        "there is no such tenant",
        "set TENANT_ID; az account show --query tenantId",
    ),
    (
        r"AADSTS700016",
        "the tenant has no such application",
        "check SP_APP_ID, and that TENANT_ID is the tenant it is in",
    ),
    (r"AADSTS700024|AADSTS50013[37]?", "the clock of this machine is wrong, or the token has expired", "set the clock"),
    (
        r"AADSTS70021|AADSTS700213",
        "no federated credential matches this pipeline",
        "add one for this repository and branch",
    ),
)
_ROLE = re.compile(r"AuthorizationFailed|does not have authorization|Forbidden|not authorized", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"don't have access to|SubscriptionNotFound|InvalidSubscriptionId", re.IGNORECASE)


@dataclass(frozen=True)
class Account:
    """Who signs in, and where to."""

    subscription_id: str
    resource_group: str
    workspace: str
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)
    method: str = "auto"
    """``auto``, ``service-principal``, ``managed-identity``, ``cli`` or ``workload-identity``."""


def choose_method(account: Account, environ: Mapping[str, str] | None = None) -> str:
    """The method that ``auto`` means here: a secret first, then a federated token, a managed identity, the az CLI.

    Raises
    ------
    registry.errors.Unavailable
        Nothing is there to sign in with.
    """
    environ = os.environ if environ is None else environ
    if account.method != "auto":
        return account.method
    if account.client_secret:
        return "service-principal"
    if tokens.pipelines_own(environ):
        return "workload-identity"
    if environ.get("IDENTITY_ENDPOINT") or environ.get("MSI_ENDPOINT"):
        return "managed-identity"
    if shutil.which("az", path=environ.get("PATH")):
        return "cli"
    raise Unavailable(
        "there is nothing to sign in to Azure with (no SP_APP_SECRET, federated token, managed identity or az CLI)",
        hint="set TENANT_ID, SP_APP_ID and SP_APP_SECRET, or run `az login`",
    )


def authentication(account: Account) -> Any:
    """An ``azureml.core.authentication`` object for the account. Makes no request."""
    from azureml.core import authentication as sdk

    method = choose_method(account)
    if method == "service-principal":
        missing = [
            name
            for name, value in (
                ("TENANT_ID", account.tenant_id),
                ("SP_APP_ID", account.client_id),
                ("SP_APP_SECRET", account.client_secret),
            )
            if not value
        ]
        if missing:
            raise Unavailable(f"sign-in as a service principal needs {', '.join(missing)}", hint="set them in .env")
        return sdk.ServicePrincipalAuthentication(
            tenant_id=account.tenant_id,
            service_principal_id=account.client_id,
            service_principal_password=account.client_secret,
        )
    if method == "managed-identity":
        # Where several identities are assigned, azure.client_id says which.
        which = {"identity_config": {"client_id": account.client_id}} if account.client_id else {}
        return sdk.MsiAuthentication(**which)
    ask = tokens.of_cli(account.tenant_id) if method == "cli" else _federated(account)
    return sdk.TokenAuthentication(tokens.Kept(ask), cloud="AzureCloud")


def _federated(account: Account) -> tokens.Ask:
    return tokens.federated(account.tenant_id, account.client_id, lambda said: explain(Exception(said), account))


def explain(error: BaseException, account: Account) -> Unavailable:
    """Say which part of a failed sign-in or first look-up is wrong: secret, tenant, role, subscription, clock."""
    text = str(error)
    for pattern, cause, mend in _CAUSES:
        if re.search(pattern, text):
            return Unavailable(f"sign-in to Azure failed: {cause}", hint=mend)
    if _SUBSCRIPTION.search(text):
        return Unavailable(
            f"the account cannot see subscription {account.subscription_id!r}",
            hint="check SUBSCRIPTION_ID and TENANT_ID; az account list shows what the account can see",
        )
    if "Workspace not found" in text or "ResourceGroupNotFound" in text or "ResourceNotFound" in text:
        return Unavailable(
            f"there is no workspace {account.workspace!r} in resource group {account.resource_group!r}",
            hint="check WORKSPACE_NAME and RESOURCE_GROUP, or make it: mlops azure init",
        )
    if _ROLE.search(text):
        return Unavailable(
            f"the account has no role on workspace {account.workspace!r}",
            hint="give it 'AzureML Data Scientist' (or Contributor) on the workspace",
        )
    first = text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
    return Unavailable(f"Azure cannot be reached: {first}", hint="mlops doctor --backend azure checks each part")
