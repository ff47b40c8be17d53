"""Routes of the container registry: below its own name, and below the loopback address of the server.

Docker takes a registry at a loopback address without TLS; to reach the registry by its own name its daemon must go
through the server.
"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug import Response

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import ADMIN, REGISTRY
from fakes.core.routing import Auth, Call, Route, Service

r = Handlers("fakes.services.containerregistry.responses")

_OCI = "OCI distribution specification 1.1; the Docker engine's pull"
_PUSH = "OCI distribution specification 1.1; the Docker engine's push"
_LOGIN = "Docker's token authentication specification; docker login"


def _pushes(method: str, operation: str, handler: Callable[[Call], Response]) -> Route:
    path, said = "/v2/{path*}", Evidence.DOCUMENTED
    return Route(method, path, operation, handler, said, _PUSH, locked=False, any_size=True)


def _routes(prefix: str) -> list[Route]:
    said = Evidence.DOCUMENTED
    return [
        Route("GET", "/v2", f"{prefix}_Check", r.check, said, _OCI, locked=False),
        Route("GET", "/v2/{path*}", f"{prefix}_Read", r.read, said, _OCI, locked=False),
        _pushes("POST", f"{prefix}_StartUpload", r.start_upload),
        _pushes("PATCH", f"{prefix}_ContinueUpload", r.continue_upload),
        _pushes("PUT", f"{prefix}_Write", r.write),
        _pushes("DELETE", f"{prefix}_Delete", r.delete),
        Route("GET", "/oauth2/token", f"{prefix}_Token", r.token, said, _LOGIN),
        Route("POST", "/oauth2/token", f"{prefix}_TokenByForm", r.token, said, _LOGIN),
    ]


SERVICES = [
    Service("registry", REGISTRY, Style.REGISTRY, _routes("Registry"), Auth.OWN, "Container registry"),
    Service(
        "registry-loopback",
        ADMIN,
        Style.REGISTRY,
        _routes("LoopbackRegistry"),
        Auth.OWN,
        "Container registry at the loopback address",
    ),
]
