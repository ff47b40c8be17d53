"""What ``az login`` leaves in the az CLI's folder, for a user of this fake.

The SDK reads it (``AzureCliAuthentication`` through the azure-cli package, ``InteractiveLoginAuthentication``, which is
what it takes when nothing else is given, through its own copy of it), then asks for a token with the refresh token.
Source: azureml-core 1.61, ``azureml._vendor.azure_cli_core`` (profile), and msal 1.39 (token cache).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakes.core.state import State

CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # the az CLI's own application id, the same everywhere
_HOST = "login.microsoftonline.com"
_FAMILY = "1"


def files(state: State) -> dict[str, str]:
    """Return the files of the folder by name."""
    s = state.settings
    subscriptions = [
        {
            "id": subscription,
            "name": title,
            "state": "Enabled",
            "user": {"name": s.user_name, "type": "user"},
            "isDefault": subscription == s.subscription_id,
            "tenantId": s.tenant_id,
            "homeTenantId": s.tenant_id,
            "environmentName": "AzureCloud",
            "managedByTenants": [],
        }
        for subscription, title in state.tenancy.subscriptions.items()
    ]
    home = f"{s.user_id}.{s.tenant_id}"
    account = {
        "home_account_id": home,
        "environment": _HOST,
        "realm": s.tenant_id,
        "local_account_id": s.user_id,
        "username": s.user_name,
        "authority_type": "MSSTS",
    }
    refresh = {
        "credential_type": "RefreshToken",
        "secret": state.tokens.issue_refresh(),
        "home_account_id": home,
        "environment": _HOST,
        "client_id": CLIENT,
        "target": "https://management.core.windows.net//.default",
        "family_id": _FAMILY,
        "last_modification_time": str(int(state.clock.timestamp())),
    }
    application = {"client_id": CLIENT, "environment": _HOST, "family_id": _FAMILY}
    cache = {
        "Account": {f"{home}-{_HOST}-{s.tenant_id}": account},
        "RefreshToken": {f"{home}-{_HOST}-refreshtoken-{_FAMILY}--{refresh['target']}": refresh},
        "AppMetadata": {f"appmetadata-{_HOST}-{CLIENT}": application},
    }
    profile = {"installationId": "00000000-0000-0000-0000-000000000000", "subscriptions": subscriptions}
    return {"azureProfile.json": json.dumps(profile), "msal_token_cache.json": json.dumps(cache)}
