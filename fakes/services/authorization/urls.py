"""Routes of Microsoft.Authorization."""

from __future__ import annotations

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import ARM
from fakes.core.routing import Route, Service

r = Handlers("fakes.services.authorization.responses")

SERVICE = Service(
    "authorization",
    ARM,
    Style.ARM,
    [
        Route(
            "GET",
            "{workspace}/providers/Microsoft.Authorization/permissions",
            "Permissions_ListForResource",
            r.list_permissions,
            Evidence.DOCUMENTED,
            "REST reference, Authorization, Permissions - List For Resource",
        ),
    ],
    title="Permissions",
)
