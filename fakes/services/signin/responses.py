"""Answers of the sign-in hosts."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.errors import AzureError
from fakes.core.routing import Call, json_response
from fakes.services.signin.models import SignIn

_HOST = "login.microsoftonline.com"


def openid_configuration(call: Call) -> Response:
    """Answer with the addresses of a tenant."""
    tenant, base = call.params["tenant"], f"https://{_HOST}/{call.params['tenant']}"
    call.state.backend(SignIn).check_tenant(tenant)
    return json_response(
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        }
    )


def instance_discovery(call: Call) -> Response:
    """Answer which hosts are the same authority."""
    tenant = call.state.settings.tenant_id
    return json_response(
        {
            "tenant_discovery_endpoint": f"https://{_HOST}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": _HOST,
                    "preferred_cache": "login.windows.net",
                    "aliases": [_HOST, "login.windows.net", "login.microsoft.com", "sts.windows.net"],
                }
            ],
        }
    )


def token(call: Call) -> Response:
    """Answer a token request."""
    answer = call.state.backend(SignIn).token(call.params["tenant"], call.body)
    return json_response(answer, headers={"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})


def managed_identity(call: Call) -> Response:
    """Answer as the metadata address of a virtual machine does."""
    if call.request.headers.get("Metadata", "").lower() != "true":
        raise AzureError(400, "invalid_request", "Required metadata header not specified")
    return json_response(call.state.backend(SignIn).managed_identity(call.arg("resource")))
