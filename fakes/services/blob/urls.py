"""Routes of blob storage. What is done to a path is said by the query: ``comp`` and ``restype``."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import BLOB
from fakes.core.routing import Auth, Route, Service

r = Handlers("fakes.services.blob.responses")

_REST = "Azure Storage REST reference, Blob service"
_SDK = "azureml-core 1.61 (its storage client) and " + _REST
_NONE = ("comp", None)
_CONTAINER = ("restype", "container")


def _route(
    method: str,
    template: str,
    operation: str,
    handler: object,
    *when: tuple[str, str | None],
    evidence: Evidence = Evidence.SDK_ACCEPTS,
) -> Route:
    source = _SDK if evidence is Evidence.SDK_ACCEPTS else _REST
    return Route(method, template, operation, handler, evidence, source, locked=False, when=when)  # type: ignore[arg-type]


_BLOB, _BOX = "/{container}/{blob*}", "/{container}"
_DOC = Evidence.DOCUMENTED

SERVICE = Service(
    "blob",
    BLOB,
    Style.BLOB,
    [
        _route("GET", _BLOB, "Blob_Get", r.get_blob, _NONE, ("restype", None)),
        _route("HEAD", _BLOB, "Blob_GetProperties", r.head_blob, _NONE, ("restype", None)),
        _route("PUT", _BLOB, "Blob_Put", r.put_blob, _NONE, ("restype", None)),
        _route("PUT", _BLOB, "Blob_PutBlock", r.put_block, ("comp", "block")),
        _route("PUT", _BLOB, "Blob_PutBlockList", r.put_block_list, ("comp", "blocklist")),
        _route("GET", _BLOB, "Blob_GetBlockList", r.get_block_list, ("comp", "blocklist"), evidence=_DOC),
        _route("PUT", _BLOB, "Blob_AppendBlock", r.append_block, ("comp", "appendblock")),
        _route("DELETE", _BLOB, "Blob_Delete", r.delete_blob, _NONE, ("restype", None), evidence=_DOC),
        _route("PUT", _BLOB, "Blob_SetMetadata", r.set_metadata, ("comp", "metadata"), evidence=_DOC),
        _route("GET", _BOX, "Container_ListBlobs", r.list_blobs, _CONTAINER, ("comp", "list")),
        _route("GET", _BOX, "Container_GetProperties", r.container_properties, _CONTAINER, _NONE, evidence=_DOC),
        _route("PUT", _BOX, "Container_Create", r.create_container, _CONTAINER, _NONE, evidence=_DOC),
        _route("DELETE", _BOX, "Container_Delete", r.delete_container, _CONTAINER, _NONE, evidence=_DOC),
        _route("GET", "/", "Account_ListContainers", r.list_containers, ("comp", "list"), evidence=_DOC),
        _route(
            "GET",
            "/{container*}",
            "Account_GetInformation",
            r.account_information,
            ("restype", "account"),
            ("comp", "properties"),
            evidence=_DOC,
        ),
    ],
    Auth.OWN,
    "Blob storage",
)
