"""The application: one dispatcher behind both doors."""

from __future__ import annotations

import difflib
import functools
import hmac
import importlib.util
import io
import pkgutil
import re
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from werkzeug import Request, Response

import fakes.services
from fakes.core import hosts
from fakes.core.broken import BrokenConnection
from fakes.core.clock import http_date
from fakes.core.content import Content, TooLarge
from fakes.core.environ import ADMIN, RAW_PATH
from fakes.core.errors import AzureError, Style, bad_request, render_for
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handler
from fakes.core.routing import Auth, Call, Route, Router, Service, expand, json_response, operations_of
from fakes.core.state import State
from fakes.core.tokens import ARM_AUDIENCES, AUDIENCES
from fakes.core.verified import verified_live

_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
COVERAGE_PAGE = "docs/fakes-coverage.md"


@functools.cache
def discover() -> tuple[Service, ...]:
    """Return the services: SERVICE (or SERVICES) of each ``fakes.services.<name>.urls``.

    Operations that a live run has compared with Azure say so, whatever their route says of its sources.
    """
    found: list[Service] = []
    for module in sorted(pkgutil.iter_modules(fakes.services.__path__), key=lambda m: m.name):
        name = f"fakes.services.{module.name}.urls"
        if not module.ispkg or importlib.util.find_spec(name) is None:
            continue
        urls = importlib.import_module(name)
        found += getattr(urls, "SERVICES", None) or [urls.SERVICE]
    return tuple(labelled(service, verified_live()) for service in found)


def labelled(service: Service, live: Container[str]) -> Service:
    """Return the service with the label ``verified-live`` on the operations in `live`."""
    if not any(route.operation in live for route in service.routes):
        return service
    routes = [
        replace(route, evidence=Evidence.VERIFIED_LIVE) if route.operation in live else route
        for route in service.routes
    ]
    return replace(service, routes=routes)


def load_services() -> None:
    """Import the code of every service: what a state holds may belong to one that no request has reached yet."""
    for service in discover():
        for route in service.routes:
            if isinstance(route.handler, Handler):
                route.handler.resolve()


def _routers(services: Iterable[Service]) -> dict[str, Router]:
    routers: dict[str, Router] = {}
    for service in services:
        router = routers.setdefault(service.family, Router())
        for route in service.routes:
            router.add(route, service)
    return routers


@functools.cache
def _known_routers() -> dict[str, Router]:
    """Return the routers of every service; nothing in them changes, so all applications share them."""
    return _routers(discover())


def _unknown(call: Call) -> Response:
    raise NotImplementedError


_UNKNOWN_SERVICE = Service("unknown", "", Style.ARM, (), Auth.NONE)
_UNKNOWN_ROUTE = Route("*", "", "Unknown", _unknown, Evidence.ASSUMED)


class Application:
    """Answers every request to an Azure host, from one state. Also a WSGI application."""

    def __init__(self, state: State | None = None, services: Iterable[Service] | None = None) -> None:
        self.state = state or State()
        self.services = discover() if services is None else tuple(services)
        self._routers = _known_routers() if services is None else _routers(self.services)

    @property
    def operations(self) -> list[tuple[Service, Route]]:
        """Every operation, sorted."""
        return operations_of(self.services)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as WSGI says."""
        return self.handle(environ)(environ, start_response)

    def handle(self, environ: dict[str, Any]) -> Response:
        """Return the answer to one request; never raises."""
        began = time.perf_counter()
        state = self.state
        # Not put into its own environ: that cycle would keep the body until the garbage collector comes by.
        request = Request(environ, populate_request=False)
        request_id = state.request_ids.guid()
        family = hosts.ADMIN if environ.get(ADMIN) else hosts.family_of(request.host) or ""
        router = self._routers.get(family)
        found = router.match(request.method, environ[RAW_PATH], request.args) if router else None
        route, service, params = found or (_UNKNOWN_ROUTE, _UNKNOWN_SERVICE, {})
        call = Call(state, request, route, service, params, request_id)
        try:
            call.content = self._read(environ, None if route.any_size else state.settings.max_body)
            response = self._faulty(call) or (self._answer(call) if found else self._not_implemented(call, family))
        except AzureError as error:
            response = render_for(call, error, service.style)
        except Exception as error:  # a bug of the fake must not look like an outage of the client
            state.note_bug(call, error)
            message = f"The fake failed in {route.operation}: {type(error).__name__}: {error}"
            response = render_for(call, AzureError(500, "FakeInternalError", message), service.style)
        self._finish(call, response, began)
        return response

    def _read(self, environ: dict[str, Any], limit: int | None) -> Content:
        declared = environ.get("CONTENT_LENGTH")
        try:
            if declared and limit is not None and int(declared) > limit:
                raise TooLarge
            stream = environ["wsgi.input"]
            if isinstance(stream, io.BytesIO):
                return self.state.spool.keep(stream.getvalue())
            return self.state.spool.take(stream, limit)
        except TooLarge as error:
            raise AzureError(413, "RequestBodyTooLarge", f"The request body is larger than {limit} bytes.") from error
        except (ConnectionError, TimeoutError) as error:
            raise AzureError(400, "IncompleteBody", f"The request body could not be read: {error}") from error

    def _faulty(self, call: Call) -> Response | None:
        rule = self.state.faults.pick(call.route.operation)
        if rule is None:
            return None
        if rule.kind == "delay":
            call.state.background.stopping.wait(rule.seconds)
            return None
        if rule.kind == "reset":
            return BrokenConnection()
        if rule.kind == "truncate":
            return BrokenConnection(self._answer(call))
        raise rule.error()

    def _answer(self, call: Call) -> Response:
        auth = call.route.auth or call.service.auth
        if auth is Auth.BEARER:
            accepted = ARM_AUDIENCES if call.service.family == hosts.ARM else AUDIENCES
            call.principal = self.state.tokens.check(call.request.headers.get("Authorization"), accepted)
        elif auth is Auth.ADMIN:
            _check_admin(call)
        if call.strict:
            _check_query(call)
        if not call.route.locked:
            return call.route.handler(call)
        with self.state.lock:
            return call.route.handler(call)

    def _not_implemented(self, call: Call, family: str) -> Response:
        """The one answer to every operation that the fake does not know."""
        request = call.request
        version = call.arg("api-version")
        path = request.environ[RAW_PATH]
        nearest = self._nearest(request.method, path, family)
        message = (
            f"The fake does not implement {request.method} {path} on {call.host} "
            f"(api-version {version or 'none'}). Nearest implemented: {'; '.join(nearest) or 'none'}. "
            f"What is implemented: {COVERAGE_PAGE}"
        )
        body = {
            "error": {"code": "NotImplementedByFake", "message": message, "details": [], "innerError": None},
            "Error": {"Code": "NotImplementedByFake", "Message": message, "Details": []},
            "code": "NotImplementedByFake",
            "statusCode": 501,
            "message": message,
            "details": [],
            "operation": f"{request.method} {path}",
            "apiVersion": version,
            "nearest": nearest,
            "coverage": COVERAGE_PAGE,
        }
        headers = {"x-ms-error-code": "NotImplementedByFake", "x-ms-request-id": call.request_id}
        return json_response(body, 501, headers)

    def _nearest(self, method: str, path: str, family: str) -> list[str]:
        router = self._routers.get(family)
        routes = router.routes if router else [pair for r in self._routers.values() for pair in r.routes]
        wanted = f"{method} {path.casefold()}"
        scored = sorted(
            routes,
            key=lambda pair: (
                -difflib.SequenceMatcher(
                    None, wanted, f"{pair[0].method} {expand(pair[0].template).casefold()}", autojunk=False
                ).quick_ratio()
            ),
        )
        return [f"{route.operation} ({route.method} {route.template})" for route, _ in scored[:3]]

    def _finish(self, call: Call, response: Response, began: float) -> None:
        if isinstance(response, BrokenConnection):
            status, body = 0, b""
        else:
            response.headers.setdefault("x-ms-request-id", call.request_id)
            response.headers.setdefault("Date", http_date(self.state.clock.now()))
            if response.status_code in (204, 304):  # these have no content (RFC 9110)
                response.set_data(b"")
                response.headers.remove("Content-Type")
                response.headers.remove("Content-Length")
            if not response.is_streamed:
                body = response.get_data()
                if response.status_code not in (204, 304):
                    response.headers.setdefault("Content-Length", str(len(body)))
            else:
                body = b"(streamed)"
            status = response.status_code
        self.state.requests.add(
            time=self.state.clock.iso(),
            method=call.request.method,
            url=f"{call.request.scheme}://{call.request.host}{call.request.environ[RAW_PATH]}"
            + (f"?{call.request.environ['QUERY_STRING']}" if call.request.environ["QUERY_STRING"] else ""),
            operation=call.route.operation,
            status=status,
            milliseconds=(time.perf_counter() - began) * 1000,
            request_body=call.content,
            response_body=body,
        )


def _check_admin(call: Call) -> None:
    """Let only this machine's own pages and programs in: a page of another site must not steer the fake."""
    token = call.state.settings.admin_token
    if token and hmac.compare_digest(call.request.headers.get("Authorization", ""), f"Bearer {token}"):
        return
    origin = call.request.headers.get("Origin")
    names = [call.request.host, *([urlsplit(origin).netloc] if origin else [])]
    if all(hosts.is_loopback(name) for name in names):
        return
    raise AzureError(
        403,
        "AdminForbidden",
        f"The admin address answers to loopback names only (this request names {' and '.join(names)}), or to "
        "'Authorization: Bearer TOKEN' when the server was started with --admin-token.",
    )


def _check_query(call: Call) -> None:
    route = call.route
    version = call.arg("api-version")
    if call.service.family == hosts.ARM or route.api_versions:
        if version is None:
            raise bad_request(
                "The api-version query parameter (?api-version=) is required for all requests.",
                "MissingApiVersionParameter",
            )
        # An operation of ARM that names none takes every version: what the fake answers is the same in all of them.
        known = version in route.api_versions if route.api_versions else _VERSION.fullmatch(version)
        if not known:
            raise bad_request(
                f"No registered resource provider found for api-version '{version}'. "
                f"The supported api-versions are '{', '.join(route.api_versions) or 'YYYY-MM-DD'}'.",
                "InvalidApiVersionParameter",
            )
    if route.query is not None:
        allowed = {name.lower() for name in route.query} | {"api-version"}
        for name in call.request.args:
            if name.lower() not in allowed:
                raise bad_request(f"The query parameter '{name}' is unknown to {route.operation}.")
