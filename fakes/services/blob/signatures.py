"""Shared keys and shared access signatures, made and checked.

Source: "Authorize with Shared Key", "Create a service SAS" and "Create an account SAS" in the Azure Storage REST
reference.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from fakes.core.errors import AzureError

_VERSION = "2021-08-06"
_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")


def sign(key: str, text: str) -> str:
    """Return the base64 HMAC-SHA256 of `text` under a base64 key."""
    return base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()


def refused(detail: str) -> AzureError:
    """Return the answer to a wrong signature."""
    return AzureError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        f"including the signature. ({detail})",
    )


def service_sas(
    account: str, container: str, name: str, key: str, *, now: datetime, permissions: str, hours: float
) -> str:
    """Return the query of a signature for one blob (or, with an empty name, for a container)."""
    fields = {
        "sv": _VERSION,
        "spr": "https",
        "st": _stamp(now - timedelta(minutes=10)),
        "se": _stamp(now + timedelta(hours=hours)),
        "sr": "b" if name else "c",
        "sp": permissions,
    }
    fields["sig"] = sign(key, _service_text(fields, account, container, name))
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def check_sas(
    args: Mapping[str, str],
    *,
    keys: Sequence[str],
    account: str,
    container: str,
    name: str,
    needs: str,
    scheme: str,
    now: datetime,
) -> None:
    """Check the signature in a query.

    Parameters
    ----------
    needs
        Letters of which one must be among the permissions.

    Raises
    ------
    AzureError
        403, with Azure's code for what is wrong.
    """
    fields = {key.lower(): value for key, value in args.items()}
    if "skoid" in fields:
        raise refused("user delegation signatures are not supported by the fake")
    if not re.fullmatch(r"20\d\d-\d\d-\d\d", fields.get("sv", "")) or fields["sv"] < "2015-04-05":
        raise refused("sv is missing or not supported")
    if "ss" in fields:
        text, scope_ok = _account_text(fields, account), _account_scope(fields, container, name)
    else:
        scope_ok = fields.get("sr") == "c" or (fields.get("sr") == "b" and bool(name))
        text = _service_text(fields, account, container, name if fields.get("sr") == "b" else "")
    if not any(hmac.compare_digest(sign(key, text), fields.get("sig", "")) for key in keys):
        raise refused("Signature did not match")
    start, end = _moment(fields.get("st")), _moment(fields.get("se"))
    if end is None or end <= now or (start is not None and start > now):
        raise refused("Signature not valid in the specified time frame")
    if fields.get("spr") == "https" and scheme != "https":
        raise AzureError(
            403,
            "AuthorizationProtocolMismatch",
            "This request is not authorized to perform this operation using this protocol.",
        )
    if not scope_ok:
        raise AzureError(
            403,
            "AuthorizationResourceTypeMismatch",
            "This request is not authorized to perform this operation using this resource type.",
        )
    if not set(needs) & set(fields.get("sp", "")):
        raise AzureError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )


def check_shared_key(
    authorization: str, *, keys: Sequence[str], account: str, method: str, path: str, headers: Any, args: Any
) -> None:
    """Check an ``Authorization: SharedKey`` header.

    Parameters
    ----------
    path
        As it was sent, undecoded.
    args
        Pairs of decoded query parameters.
    """
    match = re.fullmatch(r"SharedKey ([a-z0-9]+):([A-Za-z0-9+/=]+)", authorization.strip())
    if match is None or match.group(1) != account:
        raise refused("the Authorization header is not 'SharedKey account:signature'")
    lower = {name.lower(): value for name, value in headers}
    length = lower.get("content-length", "")
    values = ["" if n == "content-length" and length == "0" else lower.get(n, "") for n in _SIGNED_HEADERS]
    if lower.get("x-ms-date"):
        values[_SIGNED_HEADERS.index("date")] = ""
    own = sorted((n, v) for n, v in lower.items() if n.startswith("x-ms-"))
    query: dict[str, list[str]] = {}
    for name, value in args:
        query.setdefault(name.lower(), []).append(value)
    text = "\n".join([method, *values, *(f"{n}:{v}" for n, v in own), f"/{account}{path}"])
    text += "".join(f"\n{name}:{','.join(sorted(found))}" for name, found in sorted(query.items()))
    if not any(hmac.compare_digest(sign(key, text), match.group(2)) for key in keys):
        raise refused(
            f"The MAC signature found in the HTTP request is not the same as any computed signature: {text!r}"
        )


def _service_text(fields: Mapping[str, str], account: str, container: str, name: str) -> str:
    version = fields["sv"]
    resource = f"/blob/{account}/{container}" + (f"/{name}" if name else "")
    get = fields.get
    parts = [get("sp", ""), get("st", ""), get("se", ""), resource, get("si", ""), get("sip", ""), get("spr", "")]
    parts.append(version)
    if version >= "2018-11-09":
        parts += [get("sr", ""), get("snapshot", "")]
    if version >= "2020-12-06":
        parts.append(get("ses", ""))
    return "\n".join(parts + [get(field, "") for field in _OVERRIDES])


def _account_text(fields: Mapping[str, str], account: str) -> str:
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if fields["sv"] >= "2020-12-06":
        names.append("ses")
    return "\n".join([account, *(fields.get(name, "") for name in names)]) + "\n"


def _account_scope(fields: Mapping[str, str], container: str, name: str) -> bool:
    kind = "o" if name else "c" if container else "s"
    return "b" in fields["ss"] and kind in fields.get("srt", "")


def _stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    for pattern in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    raise refused(f"{text!r} is not a time")
