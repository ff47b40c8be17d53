"""The page, its data, and the "try it" form."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from werkzeug import Response

from fakes.core.errors import AzureError, bad_request
from fakes.core.routing import Call, json_response
from fakes.services.page.models import overview
from fakes.services.scoring.models import Frontends, Refused
from fakes.services.webservices import tokens
from fakes.services.webservices.addresses import scoring_path
from fakes.services.webservices.models import Webservices
from fakes.services.webservices.records import Webservice

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
# Nothing from elsewhere, nothing inline, and no other site may frame it or send its forms here.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def index(call: Call) -> Response:
    """The page itself."""
    return _static("index.html")


def asset(call: Call) -> Response:
    """Its script and style."""
    name = call.params["name"]
    if name not in _TYPES:
        raise AzureError(404, "NotFound", f"The page has no {name}.")
    return _static(name)


def _static(name: str) -> Response:
    return Response((_STATIC / name).read_bytes(), 200, _HEADERS, content_type=_TYPES[name])


def data(call: Call) -> Response:
    """Everything that the page shows."""
    return json_response(overview(call.state))


def try_service(call: Call) -> Response:
    """Ask a service as its clients do, with its own key or token, and tell what came back.

    Runs without the state lock: the service may take its time.
    """
    if not (call.request.content_type or "").startswith("application/json"):
        # A form of another site cannot send this type without asking first.
        raise bad_request("Content-Type must be application/json.", "InvalidContentType")
    document = call.json_object()
    name, body = document.get("service"), document.get("body")
    if not isinstance(name, str) or not isinstance(body, str):
        raise bad_request("Give 'service' and 'body', both strings.", "InvalidRequestContent")
    with call.state.lock:
        workspace = call.state.workspace(document.get("workspace"))
        service = call.state.backend(Webservices).get(workspace, name)
        authorization = _authorization(call, service)
        path, hostname = scoring_path(service), service.hostname
    began = time.perf_counter()
    headers = [("Content-Type", str(document.get("content_type") or "application/json"))]
    answer: dict[str, Any]
    try:
        got, target = call.state.backend(Frontends).answer(
            hostname, "POST", path, "", headers, body.encode(), authorization
        )
        answer = {"status": got.status, "headers": dict(got.headers), "body": got.body.decode("utf-8", "replace")}
        answer["version"] = target.unit.name
    except Refused as refused:
        answer = {"status": refused.status, "headers": {}, "body": refused.message}
    answer["milliseconds"] = round((time.perf_counter() - began) * 1000, 1)
    return json_response(json.loads(json.dumps(answer)))


def _authorization(call: Call, service: Webservice) -> str | None:
    if service.settings.get("authEnabled"):
        return f"Bearer {service.primary_key}"
    if service.settings.get("aadAuthEnabled"):
        return f"Bearer {tokens.issue(call.state, service)['accessToken']}"
    return None


def service_log(call: Call) -> Response:
    """The last lines that the containers of a service wrote."""
    with call.state.lock:
        workspace = call.state.workspace(call.arg("workspace"))
        service = call.state.backend(Webservices).get(workspace, call.params["name"])
        deployments = [d for d in (u.wanted or u.serving for u in service.units.values()) if d]
    runtime = call.state.backend(Webservices).runtime
    texts = [running.log("container.log", 200) for d in deployments if (running := runtime.get(d.id))]
    return json_response({"content": "".join(texts)})
