"""Tokens with which services on AKS are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt

from fakes.core.errors import bad_request
from fakes.services.webservices.records import Webservice
from fakes.services.webservices.words import ACI

if TYPE_CHECKING:
    from fakes.core.state import State

# A token should be refreshed after 12 hours and is valid for 12 more (comment in azureml-core, Webservice).
REFRESH_SECONDS = 12 * 3600
LIFETIME_SECONDS = 24 * 3600


def issue(state: State, service: Webservice) -> dict[str, Any]:
    """Return a new token for a service; 400 when it takes none."""
    if service.compute_type == ACI or not service.settings.get("aadAuthEnabled"):
        raise bad_request(
            f"Token authentication is not enabled for service {service.name}.", "TokenAuthenticationNotEnabled"
        )
    now = int(state.clock.timestamp())
    claims = {"sub": service.id, "iat": now, "exp": now + LIFETIME_SECONDS, "jti": state.ids.hex(16)}
    return {
        "accessToken": jwt.encode(claims, service.token_key, algorithm="HS256"),
        "tokenType": "Bearer",
        "refreshAfter": now + REFRESH_SECONDS,
        "expiryOn": now + LIFETIME_SECONDS,
    }


def accepted(state: State, service: Webservice, token: str) -> bool:
    """Tell whether a token is this service's and still valid."""
    try:
        claims = jwt.decode(
            token,
            service.token_key,
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False, "require": ["sub", "exp"]},
        )
    except jwt.PyJWTError:
        return False
    return bool(claims["sub"] == service.id and claims["exp"] > state.clock.timestamp())
