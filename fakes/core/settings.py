"""Names, credentials and limits of one fake."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """What a fake is made with.

    Parameters
    ----------
    sign_in
        What a program finds to sign in with: a ``service-principal`` in its variables, or what ``az login`` of a user
        leaves in the az CLI's folder (``azure-cli``).
    strict
        Check names, lengths, fields, api-versions and values as the cloud does.
    seed
        The same seed gives the same ids.
    hold
        Seconds for which the first poll of an operation waits for its work.
    request_log
        Number of requests that are remembered.
    max_body
        Largest request body in bytes.
    memory_body
        Bodies and blobs of at most this many bytes are held in memory, larger ones in files.
    admin_token
        Lets programs of other machines use the admin address.
    """

    tenant_id: str = "72f988bf-0000-4000-8000-2d7cd011db47"
    client_id: str = "c0ffee00-0000-4000-8000-000000000001"
    client_secret: str = "fake-secret-of-the-fake"  # noqa: S105 - opens nothing but the fake
    client_name: str = "fake-service-principal"
    object_id: str = "0b1ec700-0000-4000-8000-000000000002"
    user_name: str = "fake-user@fakes.example"
    user_password: str = "fake-password-of-the-fake"  # noqa: S105 - opens nothing but the fake
    user_id: str = "05e12000-0000-4000-8000-000000000004"
    subscription_id: str = "5ab5c219-0000-4000-8000-000000000003"
    subscription_name: str = "Fake subscription"
    resource_group: str = "fake-rg"
    workspace_name: str = "fake-ws"
    region: str = "westeurope"
    sign_in: Literal["service-principal", "azure-cli"] = "service-principal"
    strict: bool = True
    seed: int | str = 0
    hold: float = 25.0
    request_log: int = 500
    max_body: int = 2 * 1024**3
    memory_body: int = 1024**2
    admin_token: str | None = None

    def __post_init__(self) -> None:
        for name in ("tenant_id", "client_id", "object_id", "user_id", "subscription_id"):
            if not _GUID.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} must be a GUID, not {getattr(self, name)!r}")
        if not re.fullmatch(r"[a-z][a-z0-9]{1,49}", self.region):
            raise ValueError(f"region must be an Azure region such as westeurope, not {self.region!r}")
        if self.sign_in not in ("service-principal", "azure-cli"):
            raise ValueError(f"sign_in must be service-principal or azure-cli, not {self.sign_in!r}")

    def environment(self) -> dict[str, str]:
        """Return the variables by which a program finds its workspace and signs in without arguments."""
        names = {
            "WORKSPACE_NAME": self.workspace_name,
            "RESOURCE_GROUP": self.resource_group,
            "SUBSCRIPTION_ID": self.subscription_id,
            "TENANT_ID": self.tenant_id,
        }
        if self.sign_in == "azure-cli":
            return names
        return names | {
            "AZUREML_SERVICE_PRINCIPAL_TENANT_ID": self.tenant_id,
            "AZUREML_SERVICE_PRINCIPAL_ID": self.client_id,
            "AZUREML_SERVICE_PRINCIPAL_PASSWORD": self.client_secret,
            "AZURE_TENANT_ID": self.tenant_id,
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_CLIENT_SECRET": self.client_secret,
            "SP_APP_ID": self.client_id,
            "SP_APP_SECRET": self.client_secret,
        }
