"""Who may sign in, and with what."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

from fakes.core.clock import iso
from fakes.core.errors import AzureError
from fakes.core.settings import Settings
from fakes.core.state import Backend
from fakes.core.tokens import AUDIENCES

# Sources of the words: https://github.com/MicrosoftDocs/azure-docs/issues/63819 (a token that is none),
# https://github.com/Azure/azure-cli/issues/23105 (expired); Entra ID's list of error codes (users).
REFRESH_DAYS = 90
_GRANTS = ("client_credentials", "refresh_token", "password")
EXCHANGE = "api://AzureADTokenExchange"
"""Audience of tokens that are exchanged for one of Azure."""
SKEW_SECONDS = 300


class SignIn(Backend):
    """Checks credentials and issues tokens.

    Attributes
    ----------
    secrets : dict of str to str
        By client id.
    subjects : list of str or None
        Whose tokens of other issuers (workload identity) are taken; ``None``: anybody's.
    """

    name = "signin"
    exported = ("secrets", "subjects")

    @property
    def settings(self) -> Settings:
        """The settings of the state."""
        return self.state.settings

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.secrets: dict[str, str] = {state.settings.client_id: state.settings.client_secret}
        self.subjects: list[str] | None = None

    def check_tenant(self, tenant: str) -> None:
        """Refuse a tenant that the fake does not have."""
        if tenant.lower() not in (self.settings.tenant_id.lower(), "common", "organizations"):
            raise self.refusal(
                400,
                "invalid_request",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing "
                "into the correct cloud.",
            )

    def token(self, tenant: str, body: bytes) -> dict[str, Any]:
        """Return the answer to a token request (OAuth 2.0, form encoded)."""
        self.check_tenant(tenant)
        form = {key: values[-1] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        grant = form.get("grant_type")
        if not grant:
            raise self.refusal(
                400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."
            )
        if grant not in _GRANTS:
            raise self.refusal(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
            )
        if grant == "client_credentials":
            self._check_client(form.get("client_id", ""), form)
            return self._answer(self._audience(form))
        if grant == "refresh_token":
            self._check_refresh_token(form.get("refresh_token", ""))
        else:
            self._check_user(form.get("username", ""), form.get("password", ""))
        return self._answer(self._audience(form)) | self._of_user(form)

    def _answer(self, audience: str) -> dict[str, Any]:
        return {
            "token_type": "Bearer",
            "expires_in": 3599,
            "ext_expires_in": 3599,
            "access_token": self.state.tokens.issue(audience=audience),
            "expires_on": str(int(self.state.clock.timestamp()) + 3599),
            "resource": audience,
        }

    def _of_user(self, form: dict[str, str]) -> dict[str, Any]:
        """What a user's sign-in answers besides: a token that says who it is, and one to go on with."""
        s, tokens = self.settings, self.state.tokens
        who: dict[str, Any] = {"object_id": s.user_id, "name": s.user_name}
        who |= {"upn": s.user_name, "preferred_username": s.user_name}
        client = form.get("client_id", "")
        client_info = json.dumps({"uid": s.user_id, "utid": s.tenant_id}).encode()
        return {
            "access_token": tokens.issue(audience=self._audience(form), kind="user", appid=client, **who),
            "refresh_token": tokens.issue_refresh(),
            "id_token": tokens.issue(audience=client, kind="user", **who),
            "client_info": base64.urlsafe_b64encode(client_info).decode().rstrip("="),
            "scope": form.get("scope", ""),
            "foci": "1",
        }

    def _check_refresh_token(self, token: str) -> None:
        claims = self.state.tokens.refresh_claims(token)
        if claims is None:
            raise self.refusal(400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
        if self.state.clock.timestamp() - claims["iat"] > REFRESH_DAYS * 86400:
            issued = datetime.fromtimestamp(claims["iat"], timezone.utc)
            raise self.refusal(
                400,
                "invalid_grant",
                700082,
                f"The refresh token has expired due to inactivity. The token was issued on {iso(issued)} and was "
                f"inactive for {REFRESH_DAYS}.00:00:00.",
            )

    def _check_user(self, name: str, password: str) -> None:
        s = self.settings
        if name.lower() != s.user_name.lower():
            raise self.refusal(
                400,
                "invalid_grant",
                50034,
                f"The user account {name} does not exist in the {s.tenant_id} directory. To sign into this "
                "application, the account must be added to the directory.",
            )
        if password != s.user_password:
            raise self.refusal(
                400, "invalid_grant", 50126, "Error validating credentials due to invalid username or password."
            )

    def _check_client(self, client: str, form: dict[str, str]) -> None:
        known = {name.lower(): secret for name, secret in self.secrets.items()}
        if client.lower() not in known:
            raise self.refusal(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory "
                f"'{self.settings.tenant_id}'. This can happen if the application has not been installed by the "
                "administrator of the tenant or consented to by any user in the tenant.",
            )
        secret = form.get("client_secret")
        if "client_assertion" in form:
            self._check_assertion(form["client_assertion"])
            return
        if secret is None:
            raise self.refusal(
                401,
                "invalid_client",
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )
        if secret != known[client.lower()]:
            raise self.refusal(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'.",
            )

    def _check_assertion(self, assertion: str) -> None:
        """Check another issuer's token (workload identity): its audience, times and subject, not its signature.

        https://learn.microsoft.com/entra/workload-id/workload-identity-federation; codes: .../reference-error-codes.
        """
        import jwt

        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
            begins, ends = float(claims.get("nbf", claims.get("iat", 0))), float(claims["exp"])
            subject, audience = str(claims["sub"]), claims["aud"]
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError) as error:
            raise self.refusal(
                401, "invalid_client", 50027, f"JWT token is invalid or malformed: {type(error).__name__}"
            ) from error
        now = self.state.clock.timestamp()
        if not begins - SKEW_SECONDS <= now <= ends + SKEW_SECONDS:
            raise self.refusal(
                401,
                "invalid_client",
                700024,
                "Client assertion is not within its valid time range. "
                f"Current time: {self.state.clock.iso()}, expiry time of assertion: {ends:.0f}.",
            )
        if audience not in (EXCHANGE, [EXCHANGE]):
            raise self.refusal(
                401,
                "invalid_client",
                700212,
                f"No matching federated identity record found for presented assertion audience '{audience}'.",
            )
        if self.subjects is not None and subject not in self.subjects:
            raise self.refusal(
                401,
                "invalid_client",
                700213,
                f"No matching federated identity record found for presented assertion subject '{subject}'.",
            )

    def _audience(self, form: dict[str, str]) -> str:
        wanted = form.get("resource") or re.sub(r"/?\.default$", "", form.get("scope", "").split(" ")[0])
        if not wanted:
            raise self.refusal(
                400, "invalid_request", 900144, "The request body must contain the following parameter: 'scope'."
            )
        for audience in AUDIENCES:
            if wanted.rstrip("/") == audience.rstrip("/"):
                return audience
        return wanted

    def managed_identity(self, resource: str | None) -> dict[str, Any]:
        """Return the answer of the metadata address of a virtual machine."""
        if not resource:
            raise AzureError(
                400,
                "invalid_request",
                "Required query variable 'resource' is missing",
            )
        now = int(self.state.clock.timestamp())
        return {
            "access_token": self.state.tokens.issue(audience=resource, kind="msi"),
            "client_id": self.settings.client_id,
            "expires_in": "3600",
            "expires_on": str(now + 3600),
            "ext_expires_in": "3600",
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }

    def refusal(self, status: int, error: str, code: int, text: str) -> AzureError:
        """Return a refusal as Entra ID words it: AADSTS and the code, then the text."""
        return AzureError(
            status, error, f"AADSTS{code}: {text}", extra={"error_codes": [code], "error_uri": _help(code)}
        )


def _help(code: int) -> str:
    return f"https://login.microsoftonline.com/error?code={code}"
