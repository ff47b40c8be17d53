"""Access tokens: JSON Web Tokens that only this fake issues and accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakes.core.errors import AzureError

if TYPE_CHECKING:
    from fakes.core.state import State

# Audiences that ARM takes, and Azure ML besides them; the SDK asks for the first one for both.
ARM_AUDIENCES = ("https://management.core.windows.net/", "https://management.azure.com/")
AUDIENCES = (*ARM_AUDIENCES, "https://ml.azure.com/")

# How refresh tokens of Entra ID begin: clients take them for opaque.
_REFRESH = "0.A"


@dataclass(frozen=True)
class Principal:
    """Who a token names."""

    object_id: str
    tenant_id: str
    name: str
    kind: str  # "app", "msi", "user" or "run"
    claims: dict[str, Any]

    def created_by(self) -> dict[str, Any]:
        """Return the ``createdBy`` object of Azure ML's documents."""
        return {
            "userObjectId": self.object_id,
            "userPuId": None,
            "userIdp": None,
            "userAltSecId": None,
            "userIss": f"https://sts.windows.net/{self.tenant_id}/",
            "userTenantId": self.tenant_id,
            "userName": self.name,
            "upn": None,
        }


class Tokens:
    """Issues tokens and checks them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._key = state.ids.secret(32)

    def issue(
        self,
        *,
        audience: str = AUDIENCES[0],
        kind: str = "app",
        object_id: str | None = None,
        name: str | None = None,
        lifetime: float = 3600,
        **claims: Any,
    ) -> str:
        """Return a signed token that is valid for `lifetime` seconds."""
        import jwt

        settings, now = self._state.settings, int(self._state.clock.timestamp())
        payload = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{settings.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime),
            "appid": settings.client_id,
            "app_displayname": name or settings.client_name,
            "idtyp": kind,
            "oid": object_id or settings.object_id,
            "sub": object_id or settings.object_id,
            "tid": settings.tenant_id,
            "ver": "1.0",
            **claims,
        }
        return jwt.encode(payload, self._key, algorithm="HS256")

    def issue_refresh(self) -> str:
        """Return a refresh token of the user. It says itself what it is, so it outlives a reset to the same seed."""
        import jwt

        settings = self._state.settings
        claims = {"use": "refresh", "oid": settings.user_id, "iat": int(self._state.clock.timestamp())}
        return f"{_REFRESH}{jwt.encode(claims, self._key, algorithm='HS256')}"

    def refresh_claims(self, token: str) -> dict[str, Any] | None:
        """Return what a refresh token of this fake says; None for any other."""
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token.removeprefix(_REFRESH), self._key, algorithms=["HS256"], options={"verify_iat": False}
            )
        except jwt.PyJWTError:
            return None
        return claims if token.startswith(_REFRESH) and claims.get("use") == "refresh" else None

    def check(self, authorization: str | None, audiences: Sequence[str] = AUDIENCES) -> Principal:
        """Return who an ``Authorization`` header names.

        Raises
        ------
        AzureError
            401: no bearer token, a token of somebody else, an expired one, or one for another audience.
        """
        import jwt

        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise self._refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = jwt.decode(
                token.strip(),
                self._key,
                algorithms=["HS256"],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise self._refusal(
                "InvalidAuthenticationToken", f"The access token is invalid: this fake did not issue it ({error})."
            ) from error
        if claims["exp"] <= self._state.clock.timestamp():
            raise self._refusal("ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
        if str(claims["aud"]).rstrip("/") not in {audience.rstrip("/") for audience in audiences}:
            raise self._refusal(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'.",
            )
        if claims["tid"] != self._state.settings.tenant_id:
            raise self._refusal("InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer.")
        return Principal(claims["oid"], claims["tid"], claims["app_displayname"], claims["idtyp"], claims)

    def _refusal(self, code: str, message: str) -> AzureError:
        authority = f"https://login.windows.net/{self._state.settings.tenant_id}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return AzureError(401, code, message, headers={"WWW-Authenticate": challenge})
