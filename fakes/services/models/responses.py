"""Answers of the model registry."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from werkzeug import Response

from fakes.core.environ import RAW_PATH
from fakes.core.errors import bad_request
from fakes.core.routing import Call, empty_response, json_response
from fakes.services.models.models import Model, ModelsBackend

_ORDERS = {"createdatdesc": (True, True), "createdatasc": (True, False)}
_ORDERS |= {"updatedatdesc": (False, True), "updatedatasc": (False, False)}
_PAGE = 255


def _backend(call: Call) -> ModelsBackend:
    return call.state.backend(ModelsBackend)


def register(call: Call) -> Response:
    """Register a version."""
    created_by = call.principal.created_by() if call.principal else None
    return json_response(_backend(call).register(call.workspace, call.json_object(), created_by).document)


def get_model(call: Call) -> Response:
    """Answer with one version."""
    return json_response(_backend(call).get(call.workspace, call.params["id"]).document)


def patch_model(call: Call) -> Response:
    """Change one version."""
    return json_response(_backend(call).patch(call.workspace, call.params["id"], call.json()).document)


def delete_model(call: Call) -> Response:
    """Delete one version."""
    _backend(call).delete(call.workspace, call.params["id"])
    return empty_response(200)


def list_models(call: Call) -> Response:
    """Answer with a page of versions."""
    request = {key: call.arg(key) for key in ("name", "framework", "runId", "datasetId", "description", "orderBy")}
    tags, properties = _terms(call.arg("tags")), _terms(call.arg("properties"))
    old = call.arg("tag")
    return _page(
        call,
        request,
        tags=[*tags, *([old] if old else [])],
        properties=properties,
        latest_only=call.flag("latestVersionOnly"),
        count=call.number("count", _PAGE, 1, 1000),
        token=call.arg("$skipToken"),
        offset=call.number("offset", 0, 0, 2**31),
    )


def list_models_post(call: Call) -> Response:
    """Answer with a page of versions; the filters are in the body."""
    body = call.json_object()
    tags, properties = body.get("tags") or [], body.get("properties") or []
    count = _PAGE if body.get("count") is None else body["count"]
    if not isinstance(count, int) or not 1 <= count <= 1000:
        raise bad_request("'count' must be an integer between 1 and 1000.", "BadRequest")
    return _page(
        call,
        body,
        tags=_terms(tags) if isinstance(tags, str) else tags,
        properties=_terms(properties) if isinstance(properties, str) else properties,
        latest_only=bool(body.get("latestVersionOnly", False)),
        count=count,
        token=body.get("skipToken"),
        offset=body.get("offset") or 0,
    )


def _terms(text: str | None) -> list[str]:
    return [term for term in (text or "").split(",") if term]


def _page(
    call: Call,
    request: dict[str, Any],
    *,
    tags: list[str],
    properties: list[str],
    latest_only: bool,
    count: int,
    token: str | None,
    offset: int,
) -> Response:
    order = str(request.get("orderBy") or "CreatedAtDesc")
    if order.lower() not in _ORDERS:
        raise bad_request(f"The value '{order}' of 'orderBy' is not one of CreatedAt/UpdatedAt Desc/Asc.", "BadRequest")
    by_creation, newest_first = _ORDERS[order.lower()]
    found = _backend(call).query(
        call.workspace,
        name=request.get("name"),
        framework=request.get("framework"),
        run_id=request.get("runId"),
        dataset_id=request.get("datasetId"),
        description=request.get("description"),
        tags=tags,
        properties=properties,
        latest_only=latest_only,
    )

    def place(model: Model) -> int:
        return (model.created if by_creation else model.modified) * (-1 if newest_first else 1)

    found = sorted(found, key=place)[offset:]
    if token:
        after = _decode(token)
        found = [model for model in found if place(model) > after]
    page = found[:count]
    answer: dict[str, Any] = {"value": [model.document for model in page]}
    # A look-up by name asks for one item and never for a second page; the SDK would fetch it ahead for nothing.
    if len(found) > count and count > 1:
        path = quote(call.request.environ[RAW_PATH], safe="/%:")
        answer["nextLink"] = f"https://{call.host}{path}?$skipToken={_encode(place(page[-1]))}"
    return json_response(answer)


def _encode(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _decode(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise bad_request(f"The skip token '{token}' is not valid.", "BadRequest") from error
