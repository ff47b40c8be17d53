"""Ranges and conditional headers of blob requests (RFC 9110; Azure Storage REST reference, "Conditional headers")."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import Any

from fakes.core.errors import AzureError
from fakes.services.blob.models import Blob


def byte_range(headers: Any, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a request asks for, or None for the whole blob."""
    text = headers.get("x-ms-range") or headers.get("Range")
    if not text:
        return None
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text.strip())
    if match is None:
        raise AzureError(400, "InvalidHeaderValue", f"The value of the range header, {text!r}, is not valid.")
    first = int(match.group(1))
    last = int(match.group(2)) if match.group(2) else size - 1
    if last < first and match.group(2):
        raise AzureError(400, "InvalidHeaderValue", f"The value of the range header, {text!r}, is not valid.")
    if first >= size:
        raise AzureError(
            416,
            "InvalidRange",
            "The range specified is invalid for the current size of the resource.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, min(last, size - 1)


def check_read(headers: Any, blob: Blob) -> None:
    """Raise 412 or 304 when a read's conditions do not hold."""
    if not _match(headers.get("If-Match"), blob, default=True):
        raise _failed()
    since = headers.get("If-Unmodified-Since")
    if since and blob.modified.replace(microsecond=0) > parsedate_to_datetime(since):
        raise _failed()
    none = headers.get("If-None-Match")
    since = headers.get("If-Modified-Since")
    if _match(none, blob, default=False) or (
        not none and since and blob.modified.replace(microsecond=0) <= parsedate_to_datetime(since)
    ):
        raise AzureError(304, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")


def check_write(headers: Any, blob: Blob | None) -> None:
    """Raise 409 or 412 when a write's conditions do not hold."""
    none = headers.get("If-None-Match")
    if none and blob is not None and _match(none, blob, default=False):
        if none.strip() == "*":
            raise AzureError(409, "BlobAlreadyExists", "The specified blob already exists.")
        raise _failed()
    wanted = headers.get("If-Match")
    if wanted and (blob is None or not _match(wanted, blob, default=True)):
        raise _failed()


def _match(header: str | None, blob: Blob, *, default: bool) -> bool:
    if not header:
        return default
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or blob.etag in tags


def _failed() -> AzureError:
    return AzureError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
