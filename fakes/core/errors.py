"""Azure's error answers: one exception, one body shape per service family."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from werkzeug import Response

    from fakes.core.routing import Call


class Style(str, Enum):
    """Shape of an error body.

    Sources: azureml-core 1.61 (what its clients parse) and Microsoft's REST error guidelines.
    """

    ARM = "arm"  # {"error": {"code", "message", "details"}}
    HISTORY = "history"  # the same plus correlation, environment, location, time
    MMS = "mms"  # {"code", "statusCode", "message", "details", "correlation"}
    BLOB = "blob"  # XML, and the code again in x-ms-error-code
    PIPELINES = "pipelines"  # {"Error": {"Code", "Message", "Details"}}: its documents are in Pascal case
    REGISTRY = "registry"  # {"errors": [{"code", "message", "detail"}]}
    SIGNIN = "signin"  # {"error", "error_description", "error_codes", ...}


class AzureError(Exception):
    """An answer that is an error, as a handler raises it.

    Parameters
    ----------
    status
        HTTP status code.
    code
        Azure's error code, for example ``UserError`` or ``BlobNotFound``.
    message
        What happened, to what, and why.
    details
        Further ``{"code", "message"}`` objects.
    headers
        Further response headers, for example ``Retry-After``.
    extra
        Further members of the body (sign-in: ``error_codes``, ``suberror``).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = [dict(detail) for detail in details]
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def bad_request(message: str, code: str = "UserError", **extra: Any) -> AzureError:
    """Return the error that a validation failure answers (400)."""
    return AzureError(400, code, message, **extra)


def not_found(message: str, code: str = "UserError", **extra: Any) -> AzureError:
    """Return the error for a thing that does not exist (404)."""
    return AzureError(404, code, message, **extra)


def conflict(message: str, code: str = "Conflict", **extra: Any) -> AzureError:
    """Return the error for a thing that exists already or was changed meanwhile (409)."""
    return AzureError(409, code, message, **extra)


def render(error: AzureError, style: Style, *, request_id: str, location: str = "", time: str = "") -> Response:
    """Return the HTTP answer of `error` in the shape of one service family."""
    # Imported here: turning the fake on needs neither, and they take longer than all the rest of it.
    from werkzeug import Response

    headers = {"x-ms-request-id": request_id, **error.headers}
    if style is Style.BLOB:
        from xml.sax.saxutils import escape

        headers["x-ms-error-code"] = error.code
        # The storage client raises TypeError when <Message> is missing.
        body = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}\n"
            f"RequestId:{request_id}\nTime:{time}</Message></Error>"
        )
        return Response(body, error.status, headers, content_type="application/xml")
    return Response(
        json.dumps(_document(error, style, request_id, location, time)),
        error.status,
        headers,
        content_type="application/json; charset=utf-8",
    )


def _document(error: AzureError, style: Style, request_id: str, location: str, time: str) -> dict[str, Any]:
    if style is Style.SIGNIN:
        return {
            "error": error.code,
            "error_description": error.message,
            "timestamp": time,
            "trace_id": request_id,
            "correlation_id": request_id,
            **error.extra,
        }
    if style is Style.REGISTRY:
        return {"errors": [{"code": error.code, "message": error.message, "detail": error.details or None}]}
    if style is Style.MMS:
        # The SDK tells "not found" from the statusCode in the body, not from the status of the answer.
        return {
            "code": error.code,
            "statusCode": error.status,
            "message": error.message,
            "details": error.details,
            "correlation": {"RequestId": request_id},
            **error.extra,
        }
    if style is Style.PIPELINES:
        # Its client reads the message of no other spelling.
        details = [{name.capitalize(): value for name, value in detail.items()} for detail in error.details]
        return {
            "Error": {"Code": error.code, "Message": error.message, "Details": details, **error.extra},
            "Correlation": {"operation": request_id, "request": request_id},
            "Environment": location,
            "Location": location,
            "Time": time,
        }
    # details must be a list: the SDK's exception cannot be printed when it is null.
    document: dict[str, Any] = {
        "error": {"code": error.code, "message": error.message, "details": error.details, **error.extra}
    }
    if style is Style.HISTORY:
        document["error"].setdefault("innerError", None)
        document |= {
            "correlation": {"operation": request_id, "request": request_id},
            "environment": location,
            "location": location,
            "time": time,
        }
    return document


def render_for(call: Call, error: AzureError, style: Style) -> Response:
    """Return the answer of `error` to `call`, with the ids and the time of its state."""
    state = call.state
    return render(
        error,
        style,
        request_id=call.request_id,
        location=state.settings.region,
        time=state.clock.iso(),
    )
