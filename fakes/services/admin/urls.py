"""Routes of the admin address. The page for people is a service of its own."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug import Response

from fakes.core.errors import Style
from fakes.core.evidence import Evidence
from fakes.core.handlers import Handlers
from fakes.core.hosts import ADMIN
from fakes.core.routing import Auth, Call, Route, Service

r = Handlers("fakes.services.admin.responses")


def _route(
    method: str,
    path: str,
    operation: str,
    handler: Callable[[Call], Response],
    locked: bool = True,
    any_size: bool = False,
) -> Route:
    said = (Evidence.DOCUMENTED, "docs/fakes.md")
    return Route(method, f"/fakes{path}", operation, handler, *said, locked=locked, any_size=any_size)


SERVICE = Service(
    "admin",
    ADMIN,
    Style.ARM,
    [
        _route("GET", "/health", "Admin_Health", r.health),
        _route("GET", "/environment", "Admin_Environment", r.environment),
        _route("GET", "/ca.pem", "Admin_Certificate", r.certificate),
        _route("POST", "/reset", "Admin_Reset", r.reset, locked=False),
        _route("GET", "/state", "Admin_ExportState", r.export_state, locked=False),
        _route("PUT", "/state", "Admin_ImportState", r.import_state, locked=False, any_size=True),
        _route("GET", "/transitions", "Admin_ListTransitions", r.list_transitions),
        _route("PUT", "/transitions/{kind}", "Admin_SetTransition", r.set_transition),
        _route("DELETE", "/transitions", "Admin_ClearTransitions", r.clear_transitions),
        _route("DELETE", "/transitions/{kind}", "Admin_ClearTransition", r.clear_transitions),
        _route("GET", "/faults", "Admin_ListFaults", r.list_faults),
        _route("POST", "/faults", "Admin_AddFault", r.add_fault),
        _route("DELETE", "/faults", "Admin_ClearFaults", r.clear_faults),
        _route("GET", "/requests", "Admin_ListRequests", r.list_requests),
        _route("GET", "/operations", "Admin_ListOperations", r.list_operations),
        _route("GET", "/operations/{id}", "Admin_GetOperation", r.poll_operation, locked=False),
        _route("GET", "/evidence", "Admin_ListEvidence", r.list_evidence),
        _route("GET", "/clock", "Admin_GetClock", r.get_clock),
        _route("PUT", "/clock", "Admin_SetClock", r.set_clock),
        _route("POST", "/token", "Admin_IssueToken", r.issue_token),
        _route("GET", "/bugs", "Admin_ListBugs", r.list_bugs),
    ],
    Auth.ADMIN,
    "Admin",
)
