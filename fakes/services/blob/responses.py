"""Answers of blob storage."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import urlsplit
from xml.etree import ElementTree

from werkzeug import Response

from fakes.core.clock import http_date
from fakes.core.environ import RAW_PATH
from fakes.core.errors import AzureError
from fakes.core.routing import Call, empty_response, split_path
from fakes.services.blob import listing
from fakes.services.blob.conditions import byte_range, check_read, check_write
from fakes.services.blob.models import DEFAULT_TYPE, Blob, BlobBackend
from fakes.services.blob.signatures import check_sas, check_shared_key

_VERSION = "2021-08-06"
_STORAGE_AUDIENCES = ("https://storage.azure.com/", "https://storage.azure.com")
_KEPT_HEADERS = ("content-encoding", "content-language", "cache-control", "content-disposition")


def _backend(call: Call) -> BlobBackend:
    return call.state.backend(BlobBackend)


def _where(call: Call) -> tuple[str, str, str]:
    """Return account, container and blob name of a request."""
    return call.host.partition(".")[0], call.params.get("container", ""), call.params.get("blob", "")


def _authorize(call: Call, needs: str) -> tuple[str, str, str]:
    """Check who asks, and return account, container and blob name.

    `needs`: letters of which a signature must grant one.
    """
    account, container, name = _where(call)
    known = call.state.tenancy.accounts.get(account)
    if known is None:
        _backend(call).account(account)  # raises
        raise AssertionError
    request = call.request
    header = request.headers.get("Authorization", "")
    if request.args.get("sig") in known.signatures:
        pass
    elif "sig" in request.args:
        check_sas(
            request.args,
            keys=known.keys,
            account=account,
            container=container,
            name=name,
            needs=needs,
            scheme=request.scheme,
            now=call.state.clock.now(),
        )
    elif header.startswith("SharedKey "):
        check_shared_key(
            header,
            keys=known.keys,
            account=account,
            method=request.method,
            path=request.environ[RAW_PATH],
            headers=request.headers.items(),
            args=request.args.items(multi=True),
        )
    elif header.startswith("Bearer "):
        call.principal = call.state.tokens.check(header, _STORAGE_AUDIENCES)
    else:
        raise AzureError(409, "PublicAccessNotPermitted", "Public access is not permitted on this storage account.")
    return account, container, name


def _headers(call: Call, **more: str) -> dict[str, str]:
    return {"x-ms-version": call.request.headers.get("x-ms-version", _VERSION), **more}


def _blob_headers(call: Call, blob: Blob) -> dict[str, str]:
    headers = _headers(call)
    headers |= {
        "ETag": f'"{blob.etag}"',
        "Last-Modified": http_date(blob.modified),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": blob.kind,
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
        "Content-Type": blob.content_type,
    }
    headers |= {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    if blob.kind == "AppendBlob":
        headers["x-ms-blob-committed-block-count"] = str(len(blob.blocks))
    return headers | blob.headers


def _written(call: Call, blob: Blob, status: int = 201) -> Response:
    return empty_response(
        status,
        _headers(
            call,
            **{
                "ETag": f'"{blob.etag}"',
                "Last-Modified": http_date(blob.modified),
                "x-ms-request-server-encrypted": "true",
            },
        ),
    )


def _content_options(call: Call) -> dict[str, object]:
    headers = call.request.headers
    kept = {
        name.title(): value
        for name in _KEPT_HEADERS
        if (value := headers.get(f"x-ms-blob-{name}") or (headers.get(name) if name != "content-encoding" else None))
    }
    return {
        "content_type": headers.get("x-ms-blob-content-type") or headers.get("Content-Type") or DEFAULT_TYPE,
        "metadata": _metadata(call),
        "headers": kept,
    }


def _metadata(call: Call) -> dict[str, str]:
    return {
        # WSGI does not keep the case of header names.
        name[len("x-ms-meta-") :].lower(): value
        for name, value in call.request.headers.items()
        if name.lower().startswith("x-ms-meta-")
    }


def _check_digest(call: Call) -> None:
    """Refuse a body that does not fit the digest that the client sent along."""
    for header, algorithm in (("Content-MD5", "md5"), ("Content-sha256", "sha256")):
        sent = call.request.headers.get(header)
        if sent:
            digest = hashlib.new(algorithm, usedforsecurity=False)
            for chunk in call.content.chunks():
                digest.update(chunk)
            computed = base64.b64encode(digest.digest()).decode()
            if computed != sent:
                raise AzureError(
                    400,
                    "Md5Mismatch",
                    f"The {header} value specified in the request did not match the value calculated by the server.",
                )


# ---- blobs


def get_blob(call: Call) -> Response:
    """Answer with a blob or a range of it."""
    account, container, name = _authorize(call, "r")
    with call.state.lock:
        blob = _backend(call).get(account, container, name)
        check_read(call.request.headers, blob)
        size, headers = blob.size, _blob_headers(call, blob)
        wanted = byte_range(call.request.headers, size)
        first, last = wanted or (0, size - 1)
        content = blob.chunks(first, last + 1)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status, length = 200 if wanted is None else 206, last + 1 - first
    if length <= call.state.settings.memory_body:
        return Response(b"".join(content), status, headers)
    return Response(content, status, headers | {"Content-Length": str(length)})


def head_blob(call: Call) -> Response:
    """Answer with the properties of a blob."""
    account, container, name = _authorize(call, "r")
    with call.state.lock:
        blob = _backend(call).get(account, container, name)
        check_read(call.request.headers, blob)
        response = Response(b"", 200, _blob_headers(call, blob))
        response.headers["Content-Length"] = str(blob.size)
    return response


def put_blob(call: Call) -> Response:
    """Create or replace a blob; copy one when the request names a source."""
    account, container, name = _authorize(call, "cw")
    _check_digest(call)
    source = call.request.headers.get("x-ms-copy-source")
    if source:
        return _copy(call, source)
    kind = call.request.headers.get("x-ms-blob-type")
    if kind not in ("BlockBlob", "AppendBlob"):
        if kind is None:
            raise AzureError(
                400, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified."
            )
        raise AzureError(400, "InvalidHeaderValue", f"The value of x-ms-blob-type, {kind!r}, is not supported.")
    if kind == "AppendBlob" and call.content.size:
        raise AzureError(400, "InvalidHeaderValue", "An append blob is created empty.")
    with call.state.lock:
        backend = _backend(call)
        before = backend.find(account, container, name)
        _may_replace(call, before)
        check_write(call.request.headers, before)
        blob = backend.put(account, container, name, call.content, kind=kind, **_content_options(call))  # type: ignore[arg-type]
    return _written(call, blob)


def _may_replace(call: Call, before: Blob | None) -> None:
    """A signature that only allows to create does not allow to replace."""
    permissions = call.arg("sp") if "sig" in call.request.args else None
    if before is not None and permissions is not None and "w" not in permissions:
        raise AzureError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )


def _copy(call: Call, source: str) -> Response:
    account, container, name = _where(call)
    parts = urlsplit(source)
    segments = split_path(parts.path)
    if len(segments) < 2:
        raise AzureError(400, "InvalidHeaderValue", "x-ms-copy-source names no blob.")
    with call.state.lock:
        backend = _backend(call)
        original = backend.get(parts.netloc.partition(".")[0], segments[0], "/".join(segments[1:]))
        check_write(call.request.headers, backend.find(account, container, name))
        blob = backend.put(
            account,
            container,
            name,
            content_type=original.content_type,
            metadata=_metadata(call) or original.metadata,
        )
        blob.blocks, blob.block_ids = list(original.blocks), list(original.block_ids)
        copy_id = call.state.ids.guid()
    response = _written(call, blob, 202)
    response.headers["x-ms-copy-id"] = copy_id
    response.headers["x-ms-copy-status"] = "success"
    return response


def put_block(call: Call) -> Response:
    """Keep one block."""
    account, container, name = _authorize(call, "cw")
    _check_digest(call)
    block_id = call.arg("blockid") or ""
    try:
        base64.b64decode(block_id, validate=True)
    except ValueError as error:
        raise AzureError(
            400, "InvalidQueryParameterValue", "Value for one of the query parameters, blockid, is invalid."
        ) from error
    if not block_id:
        raise AzureError(400, "InvalidQueryParameterValue", "The query parameter blockid is missing.")
    _backend(call).stage_block(account, container, name, block_id, call.content)
    return empty_response(201, _headers(call, **{"x-ms-request-server-encrypted": "true"}))


def put_block_list(call: Call) -> Response:
    """Make a blob of blocks."""
    account, container, name = _authorize(call, "cw")
    if b"<!DOCTYPE" in call.body or b"<!ENTITY" in call.body:
        raise AzureError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")
    try:
        root = ElementTree.fromstring(call.body)  # noqa: S314 - document types are refused above
    except ElementTree.ParseError as error:
        raise AzureError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.") from error
    entries = [(child.tag, (child.text or "").strip()) for child in root]
    if root.tag != "BlockList" or any(tag not in ("Latest", "Committed", "Uncommitted") for tag, _ in entries):
        raise AzureError(400, "InvalidXmlNodeValue", "The block list holds an unknown element.")
    with call.state.lock:
        backend = _backend(call)
        before = backend.find(account, container, name)
        _may_replace(call, before)
        check_write(call.request.headers, before)
        options = _content_options(call)
        if not call.request.headers.get("x-ms-blob-content-type"):
            options["content_type"] = DEFAULT_TYPE  # the Content-Type of this request is that of the XML
        blob = backend.commit_blocks(account, container, name, entries, **options)  # type: ignore[arg-type]
    return _written(call, blob)


def get_block_list(call: Call) -> Response:
    """Answer with the blocks of a blob."""
    account, container, name = _authorize(call, "r")
    which = (call.arg("blocklisttype") or "committed").lower()
    with call.state.lock:
        backend = _backend(call)
        blob = backend.find(account, container, name)
        staged = backend.container(account, container).uncommitted.get(name, {})
        if blob is None and not staged:
            backend.get(account, container, name)
        committed = [(i, len(b)) for i, b in zip(blob.block_ids, blob.blocks, strict=False)] if blob else []
        uncommitted = [(i, len(b)) for i, b in staged.items()]
    text = listing.block_list_document(
        committed if which in ("committed", "all") else [], uncommitted if which in ("uncommitted", "all") else []
    )
    return Response(text, 200, _headers(call), content_type="application/xml")


def append_block(call: Call) -> Response:
    """Append to an append blob."""
    account, container, name = _authorize(call, "aw")
    _check_digest(call)
    with call.state.lock:
        backend = _backend(call)
        blob = backend.get(account, container, name)
        check_write(call.request.headers, blob)
        position = call.request.headers.get("x-ms-blob-condition-appendpos")
        if position is not None and position != str(blob.size):
            raise AzureError(
                412, "AppendPositionConditionNotMet", "The append position condition specified was not met."
            )
        limit = call.request.headers.get("x-ms-blob-condition-maxsize")
        if limit is not None and blob.size + call.content.size > int(limit):
            raise AzureError(412, "MaxBlobSizeConditionNotMet", "The max blob size condition specified was not met.")
        blob, offset = backend.append(account, container, name, call.content)
        response = _written(call, blob)
        # Without these two the SDK's file watcher never ends.
        response.headers["x-ms-blob-append-offset"] = str(offset)
        response.headers["x-ms-blob-committed-block-count"] = str(len(blob.blocks))
    return response


def delete_blob(call: Call) -> Response:
    """Delete a blob."""
    account, container, name = _authorize(call, "d")
    with call.state.lock:
        backend = _backend(call)
        blob = backend.get(account, container, name)
        check_write(call.request.headers, blob)
        backend.delete(account, container, name)
    return empty_response(202, _headers(call, **{"x-ms-delete-type-permanent": "true"}))


def set_metadata(call: Call) -> Response:
    """Replace the metadata of a blob."""
    account, container, name = _authorize(call, "w")
    with call.state.lock:
        backend = _backend(call)
        blob = backend.get(account, container, name)
        check_write(call.request.headers, blob)
        blob.metadata = _metadata(call)
        backend._touch(blob)
    return _written(call, blob, 200)


# ---- containers and account


def list_blobs(call: Call) -> Response:
    """Answer with a page of a container's blobs."""
    account, name, _ = _authorize(call, "l")
    prefix, delimiter, marker = (call.arg(key) or "" for key in ("prefix", "delimiter", "marker"))
    size = call.number("maxresults", 5000, 1, 2**31 - 1)
    with call.state.lock:
        container = _backend(call).container(account, name)
        page, next_marker = listing.page_of_blobs(
            container, prefix=prefix, delimiter=delimiter, marker=marker, size=min(size, 5000)
        )
        text = listing.blobs_document(
            account,
            container,
            page,
            next_marker,
            prefix=prefix,
            delimiter=delimiter,
            marker=marker,
            size=size if call.arg("maxresults") else None,
            metadata="metadata" in (call.arg("include") or ""),
        )
    return Response(text, 200, _headers(call), content_type="application/xml")


def container_properties(call: Call) -> Response:
    """Answer with the properties of a container."""
    account, name, _ = _authorize(call, "rl")
    with call.state.lock:
        container = _backend(call).container(account, name)
        headers = {
            "ETag": f'"{container.etag}"',
            "Last-Modified": http_date(container.modified),
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-has-immutability-policy": "false",
            "x-ms-has-legal-hold": "false",
            **{f"x-ms-meta-{key}": value for key, value in container.metadata.items()},
        }
    return empty_response(200, _headers(call, **headers))


def create_container(call: Call) -> Response:
    """Create a container."""
    account, name, _ = _authorize(call, "cw")
    container = _backend(call).create_container(account, name, _metadata(call))
    headers = {"ETag": f'"{container.etag}"', "Last-Modified": http_date(container.modified)}
    return empty_response(201, _headers(call, **headers))


def delete_container(call: Call) -> Response:
    """Delete a container."""
    account, name, _ = _authorize(call, "d")
    _backend(call).delete_container(account, name)
    return empty_response(202, _headers(call))


def list_containers(call: Call) -> Response:
    """Answer with the containers of an account."""
    account, _, _ = _authorize(call, "l")
    with call.state.lock:
        found = sorted(_backend(call).account(account).values(), key=lambda c: c.name)
        text = listing.containers_document(account, found, call.arg("prefix") or "")
    return Response(text, 200, _headers(call), content_type="application/xml")


def account_information(call: Call) -> Response:
    """Answer what kind of account it is."""
    _authorize(call, "rwlc")
    headers = {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "false"}
    return empty_response(200, _headers(call, **headers))
