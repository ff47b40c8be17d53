"""Routes: what a service declares, and how a request finds its handler."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from werkzeug import Request, Response

from fakes.core import hosts
from fakes.core.content import Content
from fakes.core.errors import Style, bad_request
from fakes.core.evidence import Evidence

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace
    from fakes.core.tokens import Principal

WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace_name}"
)


class Auth(str, Enum):
    """What a request must show before its handler runs."""

    BEARER = "bearer"  # a token of this fake, for Azure ML or ARM
    NONE = "none"  # nothing
    ADMIN = "admin"  # comes from this machine, or with the admin token
    OWN = "own"  # the handler checks by itself (shared keys, SAS, scoring keys)


@dataclass(frozen=True)
class Route:
    """One operation.

    Parameters
    ----------
    method, template
        ``{name}`` stands for one path segment, ``{name*}`` for the rest of the path (may be empty), ``{workspace}`` for
        the ARM scope of a workspace. Fixed segments match in any case; ``//`` counts as ``/``.
    operation
        Name of the operation, ``Models_List``: what faults, the request log and the coverage page call it.
    handler
        Called with a `Call`, returns a response.
    evidence, source
        How sure we are that it answers as Azure does, and where that comes from.
    api_versions
        Accepted values of the query parameter ``api-version``; empty: the operation takes none.
    locked
        Run the handler under the state lock (the default). A handler that waits, calls out, or moves large bodies
        says False and takes the lock itself, briefly.
    any_size
        Bodies may be larger than the setting ``max_body``.
    query
        When given, the names of the query parameters: others are refused in strict mode.
    when
        Query parameters that tell operations of the same method and path apart: pairs of name and value; None means
        that the parameter must be absent. The route with more conditions is tried first.
    """

    method: str
    template: str
    operation: str
    handler: Callable[[Call], Response]
    evidence: Evidence
    source: str = ""
    api_versions: tuple[str, ...] = ()
    locked: bool = True
    any_size: bool = False
    auth: Auth | None = None
    query: frozenset[str] | None = None
    when: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class Service:
    """One Azure service: its routes and what they have in common. A package's ``urls.py`` holds it as SERVICE."""

    name: str
    family: str
    style: Style
    routes: Sequence[Route]
    auth: Auth = Auth.BEARER
    title: str = ""


@dataclass
class Call:
    """One request on its way through a handler."""

    state: State
    request: Request
    route: Route
    service: Service
    params: dict[str, str]
    request_id: str
    content: Content = field(default_factory=Content)
    principal: Principal | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    _workspace: Workspace | None = None

    @property
    def body(self) -> bytes:
        """The whole body, in memory. Handlers of large bodies use `content`."""
        return self.content.data

    @property
    def workspace(self) -> Workspace:
        """The workspace in the path; 404 when there is none."""
        if self._workspace is None:
            p = self.params
            self._workspace = self.state.tenancy.workspace(p["subscription"], p["resource_group"], p["workspace_name"])
        return self._workspace

    @property
    def strict(self) -> bool:
        """Whether input is checked as the cloud checks it."""
        return self.state.settings.strict

    @property
    def host(self) -> str:
        """The host name of the request, lower case, without port."""
        return hosts.bare(self.request.host)

    def arg(self, name: str, default: str | None = None) -> str | None:
        """Return a query parameter; names are matched in any case."""
        wanted = name.lower()
        for key, value in self.request.args.items(multi=True):
            if key.lower() == wanted:
                return value
        return default

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean query parameter."""
        value = self.arg(name)
        if value is None or value == "":
            return default
        if value.lower() not in ("true", "false"):
            raise bad_request(f"The value '{value}' of the query parameter '{name}' is not a boolean.")
        return value.lower() == "true"

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer query parameter between `low` and `high`."""
        value = self.arg(name)
        if value is None or value == "":
            return default
        if not re.fullmatch(r"-?\d+", value) or not low <= int(value) <= high:
            raise bad_request(f"The value '{value}' of '{name}' is not an integer between {low} and {high}.")
        return int(value)

    def json(self) -> Any:
        """Return the body as JSON; 400 when it is none."""
        try:
            return json.loads(self.body or b"null")
        except ValueError as error:
            raise bad_request(f"The request body is not valid JSON: {error}", "InvalidRequestContent") from error

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object; 400 when it is something else."""
        document = self.json()
        if not isinstance(document, dict):
            raise bad_request("The request body must be a JSON object.", "InvalidRequestContent")
        return document


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `body` as a JSON answer."""
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status, headers, content_type="application/json; charset=utf-8")


def empty_response(status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer without a body."""
    response = Response(b"", status, headers)
    del response.headers["Content-Type"]
    response.headers["Content-Length"] = "0"
    return response


def expand(template: str) -> str:
    """Return `template` with the {workspace} shorthand written out."""
    return template.replace("{workspace}", WORKSPACE)


def split_path(raw: str) -> list[str]:
    """Return the decoded segments of an undecoded path: empty ones dropped, each decoded once."""
    return [unquote(segment) for segment in raw.split("/") if segment]


class _Node:
    __slots__ = ("fixed", "one", "rest", "routes")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.one: _Node | None = None
        self.rest: _Node | None = None
        self.routes: dict[str, list[tuple[Route, Service, list[str]]]] = {}


Match = tuple[Route, Service, dict[str, str]]


class Router:
    """The routes of one host family. A fixed segment wins over ``{name}``, which wins over ``{name*}``."""

    def __init__(self) -> None:
        self._root = _Node()
        self.routes: list[tuple[Route, Service]] = []

    def add(self, route: Route, service: Service) -> None:
        """Add a route; the same method and path twice is a mistake of ours."""
        node, names = self._root, []
        for segment in expand(route.template).split("/"):
            if not segment:
                continue
            if segment.startswith("{") and segment.endswith("*}"):
                names.append(segment[1:-2])
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                node.one = node.one or _Node()
                node = node.one
            else:
                node = node.fixed.setdefault(segment.casefold(), _Node())
        same = node.routes.setdefault(route.method, [])
        for other, _, _ in same:
            if sorted(other.when, key=str) == sorted(route.when, key=str):
                raise ValueError(f"{route.operation} and {other.operation} share {route.method} {route.template}")
        same.append((route, service, names))
        same.sort(key=lambda entry: -len(entry[0].when))
        self.routes.append((route, service))

    def match(self, method: str, raw_path: str, args: Mapping[str, str] | None = None) -> Match | None:
        """Return the route, its service and the path parameters, or None."""
        segments = split_path(raw_path)
        query = {name.lower(): value.lower() for name, value in (args or {}).items()}
        for candidate in (method, "GET") if method == "HEAD" else (method,):
            for node, values in _walk(self._root, segments, 0):
                for route, service, names in node.routes.get(candidate, ()):
                    if all(query.get(name) == value for name, value in route.when):
                        return route, service, dict(zip(names, values, strict=True))
        return None


def _walk(node: _Node, segments: Sequence[str], at: int) -> Iterator[tuple[_Node, list[str]]]:
    if at == len(segments):
        if node.routes:
            yield node, []
        if node.rest:
            yield node.rest, [""]
        return
    segment = segments[at]
    fixed = node.fixed.get(segment.casefold())
    if fixed:
        yield from _walk(fixed, segments, at + 1)
    if node.one:
        for end, values in _walk(node.one, segments, at + 1):
            yield end, [segment, *values]
    if node.rest:
        yield node.rest, ["/".join(segments[at:])]


def operations_of(services: Iterable[Service]) -> list[tuple[Service, Route]]:
    """Return every route with its service, by service and operation."""
    pairs = [(service, route) for service in services for route in service.routes]
    return sorted(pairs, key=lambda pair: (pair[0].name, pair[1].operation))
