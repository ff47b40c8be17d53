"""Secrets over HTTP."""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from fakes.core.errors import AzureError, bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.credentials.models import Credentials, Secret

PAGE = 100


def _backend(call: Call) -> Credentials:
    return call.state.backend(Credentials)


def _shown(secret: Secret, *, value: bool = True) -> dict[str, Any]:
    return {
        "name": secret.name,
        "value": secret.value if value else None,
        "createdTime": secret.created,
        "modifiedTime": secret.modified,
        "contentType": secret.content_type,
    }


def _batch(call: Call) -> list[Any]:
    found = call.json_object().get("secrets")
    if not isinstance(found, list):
        raise bad_request("'secrets' must be a list.")
    return found


def _names(call: Call) -> list[str]:
    return [str(entry.get("name")) if isinstance(entry, dict) else str(entry) for entry in _batch(call)]


def put_secret(call: Call) -> Response:
    """Keep one."""
    (secret,) = _backend(call).put(call.workspace, [call.json_object()])
    return json_response(_shown(secret))


def put_secrets(call: Call) -> Response:
    """Keep several."""
    kept = _backend(call).put(call.workspace, _batch(call))
    return json_response({"secrets": [_shown(secret) for secret in kept], "notFoundSecrets": []})


def list_secrets(call: Call) -> Response:
    """The names, a page at a time; never the values."""
    items = [{"name": secret.name} for secret in _backend(call).all(call.workspace)]
    token = call.arg("continuationToken") or "0"
    if not token.isdigit():
        raise bad_request(f"The continuation token {token!r} was not issued by this service.")
    following = int(token) + PAGE
    more = str(following) if following < len(items) else None
    return json_response({"value": items[int(token) : following], "continuationToken": more, "nextLink": None})


def get_secret(call: Call) -> Response:
    """One with its value."""
    return json_response(_shown(_backend(call).get(call.workspace, call.params["name"])))


def get_secrets(call: Call) -> Response:
    """Several with their values, and the names of those that are not there."""
    found, missing = [], []
    for name in _names(call):
        try:
            found.append(_shown(_backend(call).get(call.workspace, name)))
        except AzureError:
            missing.append(name)
    return json_response({"secrets": found, "notFoundSecrets": missing})


def delete_secret(call: Call) -> Response:
    """Forget one."""
    _backend(call).delete(call.workspace, call.params["name"])
    return empty_response(200)


def delete_secrets(call: Call) -> Response:
    """Forget several, all of them or none."""
    names = _names(call)
    for name in names:
        _backend(call).get(call.workspace, name)
    for name in dict.fromkeys(name.casefold() for name in names):
        _backend(call).delete(call.workspace, name)
    return empty_response(200)
