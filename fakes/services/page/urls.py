"""Routes of the page."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import ADMIN
from fakes.core.routing import Auth, Route, Service

r = Handlers("fakes.services.page.responses")

_OURS = Evidence.DOCUMENTED
_FROM = "docs/fakes-services.md"

SERVICE = Service(
    "page",
    ADMIN,
    Style.ARM,
    [
        Route("GET", "/", "Page_Index", r.index, _OURS, _FROM),
        Route("GET", "/fakes/page/{name}", "Page_Asset", r.asset, _OURS, _FROM),
        Route("GET", "/fakes/overview", "Page_Overview", r.data, _OURS, _FROM),
        Route("POST", "/fakes/try", "Page_Try", r.try_service, _OURS, _FROM, locked=False),
        Route("GET", "/fakes/services/{name}/log", "Page_ServiceLog", r.service_log, _OURS, _FROM, locked=False),
    ],
    Auth.ADMIN,
    "Page",
)
