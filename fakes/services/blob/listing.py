"""Lists of containers and blobs, as XML."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from fakes.core.clock import http_date
from fakes.services.blob.models import Blob, Container

_HEAD = '<?xml version="1.0" encoding="utf-8"?>'


def page_of_blobs(
    container: Container,
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    size: int,
) -> tuple[list[Blob | str], str]:
    """Return one page, blobs and (as text) common prefixes, and the marker of the next page ("" at the end)."""
    page: list[Blob | str] = []
    for key, entry in _entries(container, prefix, delimiter):
        if marker and key < marker:
            continue
        if len(page) == size:
            return page, key
        page.append(entry)
    return page, ""


def _entries(container: Container, prefix: str, delimiter: str) -> Iterator[tuple[str, Blob | str]]:
    last = ""
    for name in sorted(container.blobs):
        if not name.startswith(prefix):
            continue
        if delimiter and delimiter in name[len(prefix) :]:
            common = name[: name.index(delimiter, len(prefix)) + len(delimiter)]
            if common != last:
                last = common
                yield common, common
        else:
            yield name, container.blobs[name]


def blobs_document(
    account: str,
    container: Container,
    page: list[Blob | str],
    next_marker: str,
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    size: int | None,
    metadata: bool,
) -> str:
    """Return the XML of a page of blobs."""
    parts = [
        f'{_HEAD}<EnumerationResults ServiceEndpoint="https://{account}.blob.core.windows.net/" '
        f'ContainerName="{escape(container.name)}">'
    ]
    for tag, value in (
        ("Prefix", prefix),
        ("Marker", marker),
        ("MaxResults", "" if size is None else str(size)),
        ("Delimiter", delimiter),
    ):
        if value:
            parts.append(f"<{tag}>{escape(value)}</{tag}>")
    parts.append("<Blobs>")
    parts += [
        f"<BlobPrefix><Name>{escape(entry)}</Name></BlobPrefix>" if isinstance(entry, str) else _blob(entry, metadata)
        for entry in page
    ]
    parts.append(f"</Blobs><NextMarker>{escape(next_marker)}</NextMarker></EnumerationResults>")
    return "".join(parts)


def _blob(blob: Blob, metadata: bool) -> str:
    properties = {
        "Creation-Time": http_date(blob.created),
        "Last-Modified": http_date(blob.modified),
        "Etag": blob.etag,
        "Content-Length": str(blob.size),
        "Content-Type": blob.content_type,
        "BlobType": blob.kind,
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in properties.items())
    more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in sorted(blob.metadata.items()))
    return (
        f"<Blob><Name>{escape(blob.name)}</Name><Properties>{inner}</Properties>"
        + (f"<Metadata>{more}</Metadata>" if metadata else "")
        + "</Blob>"
    )


def containers_document(account: str, containers: list[Container], prefix: str) -> str:
    """Return the XML of an account's containers."""
    inner = "".join(
        f"<Container><Name>{escape(c.name)}</Name><Properties><Last-Modified>{http_date(c.modified)}</Last-Modified>"
        f"<Etag>{c.etag}</Etag><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState></Properties>"
        "</Container>"
        for c in containers
        if c.name.startswith(prefix)
    )
    return (
        f'{_HEAD}<EnumerationResults ServiceEndpoint="https://{account}.blob.core.windows.net/">'
        f"<Containers>{inner}</Containers><NextMarker /></EnumerationResults>"
    )


def block_list_document(committed: list[tuple[str, int]], uncommitted: list[tuple[str, int]]) -> str:
    """Return the XML of a blob's blocks."""

    def blocks(tag: str, items: list[tuple[str, int]]) -> str:
        inner = "".join(f"<Block><Name>{escape(i)}</Name><Size>{n}</Size></Block>" for i, n in items)
        return f"<{tag}>{inner}</{tag}>"

    inner = blocks("CommittedBlocks", committed) + blocks("UncommittedBlocks", uncommitted)
    return f"{_HEAD}<BlockList>{inner}</BlockList>"
