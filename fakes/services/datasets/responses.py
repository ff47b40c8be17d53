"""Data sets over HTTP."""

from __future__ import annotations

from werkzeug import Response

from fakes.core.errors import AzureError, bad_request, not_found
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.datasets.models import DatasetsBackend, Document, definition_of

UNREGISTERED = "unregistered-"


def _backend(call: Call) -> DatasetsBackend:
    return call.state.backend(DatasetsBackend)


def _page(call: Call, items: list[Document]) -> Response:
    size = call.number("pageSize", 100, 1, 1000)
    token = call.arg("continuationToken") or "0"
    if not token.isdigit():
        raise bad_request(f"The continuation token {token!r} was not issued by this service.")
    start = int(token)
    following = start + size
    more = str(following) if following < len(items) else None
    return json_response({"value": items[start:following], "continuationToken": more, "nextLink": None})


def register(call: Call) -> Response:
    """Register a name or a new version of it."""
    if call.flag("registerAsPending"):
        raise AzureError(501, "NotImplementedByFake", "Pending registrations are not offered by this fake.")
    new_version = call.flag("updateDefinitionIfExists") or call.flag("ifExistsOk")
    return json_response(_backend(call).register(call.workspace, call.json_object(), new_version=new_version))


def list_datasets(call: Call) -> Response:
    """All registered ones, those in ``datasetNames`` or that hold ``searchText`` when given."""
    items = _backend(call).list(call.workspace)
    names, text = call.arg("datasetNames"), call.arg("searchText")
    if names:
        wanted = names.split(",")
        items = [item for item in items if item["name"] in wanted]
    if text:
        items = [item for item in items if text.lower() in item["name"].lower()]
    if not call.flag("includeInvisible"):
        items = [item for item in items if item["isVisible"]]
    return _page(call, items)


def query(call: Call) -> Response:
    """``name=...`` (with ``versionId``) or ``savedDatasetId=...``."""
    key, _, value = call.params["query"].partition("=")
    if key == "name":
        version = call.arg("versionId")
        return json_response(_backend(call).by_name(call.workspace, value, version))
    if key == "savedDatasetId":
        return _page(call, _backend(call).by_saved_id(call.workspace, value))
    raise bad_request(f"Datasets cannot be queried by {key}.")


def get_dataset(call: Call) -> Response:
    """Find by the id that all versions share."""
    return json_response(_backend(call).by_id(call.workspace, call.params["dataset"]))


def update_dataset(call: Call) -> Response:
    """Set description and tags."""
    return json_response(_backend(call).update(call.workspace, call.params["dataset"], call.json_object()))


def unregister(call: Call) -> Response:
    """Forget a name."""
    _backend(call).unregister(call.workspace, call.params["dataset"])
    return empty_response(200)


def list_definitions(call: Call) -> Response:
    """All versions."""
    return _page(call, _backend(call).versions(call.workspace, call.params["dataset"]))


def get_definition(call: Call) -> Response:
    """One version."""
    found = _backend(call).by_id(call.workspace, call.params["dataset"], call.params["version"])
    return json_response(found["latest"])


def ensure_saved(call: Call) -> Response:
    """Keep a definition without a name."""
    return json_response(_saved(_backend(call).save(call.workspace, call.json_object())))


def get_saved(call: Call) -> Response:
    """Find a definition by its id."""
    return json_response(_saved(_backend(call).saved(call.workspace, call.params["saved"])))


def _saved(held: Document) -> Document:
    return {**{name: held[name] for name in ("id", "datasetType", "properties", "dataflowJson")}, "dataChanged": None}


def get_data_version(call: Call) -> Response:
    """The MLTable document of a saved definition, under a name that the SDK makes from its id."""
    name = call.params["name"]
    if not name.startswith(UNREGISTERED):
        raise not_found(f"Data asset {name}:{call.params['version']} was not found.")
    held = _backend(call).saved(call.workspace, name[len(UNREGISTERED) :])
    definition = definition_of(held["dataflowJson"])
    return json_response(
        {
            "legacyDataflow": definition,
            "legacyDataflowType": "Json",
            "legacyDatasetType": held["datasetType"],
            "dataContainerEntity": None,
            "dataVersion": {"dataContainerName": name, "versionId": "1", "dataType": "MLTable", "dataUri": None},
        }
    )
