"""What the page shows of each service of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakes.services.compute.models import Computes
from fakes.services.environments.models import EnvironmentsBackend
from fakes.services.history.backend import HistoryBackend
from fakes.services.models.models import ModelsBackend
from fakes.services.packages.models import Packages
from fakes.services.webservices.addresses import scoring_uri
from fakes.services.webservices.images import Images
from fakes.services.webservices.models import Webservices

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

Row = dict[str, Any]
# Rows of one table; the rest is counted.
LIMIT = 200


def overview(state: State) -> Row:
    """Return every table of every workspace. Called under the state lock."""
    return {
        "time": state.clock.iso(),
        "seed": state.seed,
        "strict": state.settings.strict,
        "bugs": len(state.bugs),
        "faults": [
            {"operation": f.operation, "kind": f.kind, "status": f.status, "times": f.times, "hits": f.hits}
            for f in state.faults.rules()
        ],
        "workspaces": [
            {"name": w.name, "resource_group": w.resource_group, "location": w.location, "tables": _tables(state, w)}
            for w in state.tenancy.workspaces.values()
        ],
    }


def _tables(state: State, workspace: Workspace) -> Row:
    tables = {
        "services": _services(state, workspace),
        "models": _models(state, workspace),
        "environments": _environments(state, workspace),
        "images": _images(state, workspace),
        "compute": _compute(state, workspace),
        "experiments": _experiments(state, workspace),
        "runs": _runs(state, workspace),
    }
    return {name: {"total": len(rows), "rows": rows[:LIMIT]} for name, rows in tables.items()}


def _services(state: State, workspace: Workspace) -> list[Row]:
    rows = []
    for service in state.backend(Webservices).all(workspace):
        deployments = [(u, u.serving or u.wanted) for u in service.units.values()]
        rows.append(
            {
                "name": service.name,
                "type": service.compute_type,
                "state": service.state,
                "models": ", ".join(m for _, d in deployments if d for m in d.models),
                "versions": ", ".join(f"{u.name} {u.traffic:g}%" for u, _ in deployments)
                if service.is_endpoint
                else "",
                "authentication": _authentication(service.settings),
                "address": scoring_uri(service) if any(u.serving for u in service.units.values()) else "",
                "error": (service.error or {}).get("message", ""),
            }
        )
    return rows


def _authentication(settings: Row) -> str:
    return "keys" if settings.get("authEnabled") else "tokens" if settings.get("aadAuthEnabled") else "none"


def _models(state: State, workspace: Workspace) -> list[Row]:
    return [
        {"id": m.id, "created": m.document["createdTime"], "tags": m.document["kvTags"], "run": m.document["runId"]}
        for m in state.backend(ModelsBackend).query(workspace)
    ]


def _environments(state: State, workspace: Workspace) -> list[Row]:
    return [
        {"name": e.name, "version": e.version, "created": e.created, "labels": ", ".join(e.labels)}
        for e in state.backend(EnvironmentsBackend).latest(workspace)
    ]


def _images(state: State, workspace: Workspace) -> list[Row]:
    packages = {p.location for p in state.backend(Packages).all(workspace)}
    return [
        {
            "location": i.location,
            "kind": "package" if i.location in packages else "service",
            "models": ", ".join(i.models),
            "created": i.created,
        }
        for i in reversed(state.backend(Images).all(workspace))
    ]


def _compute(state: State, workspace: Workspace) -> list[Row]:
    return [
        {
            "name": c.name,
            "type": c.type,
            "state": c.state,
            "size": c.size,
            "nodes": c.inner.get("agentCount", c.nodes()),
            "attached": c.attached,
        }
        for c in state.backend(Computes).list(workspace)
    ]


def _experiments(state: State, workspace: Workspace) -> list[Row]:
    found = state.backend(HistoryBackend).of(workspace).query_experiments({})
    return [{"name": e["name"], "created": e.get("createdUtc"), "tags": e.get("tags")} for e in found]


def _runs(state: State, workspace: Workspace) -> list[Row]:
    history = state.backend(HistoryBackend).of(workspace)
    names = {e["experimentId"]: e["name"] for e in history.query_experiments({})}
    found = history.query_runs(None, {})
    return [
        {
            "id": r["runId"],
            "experiment": names.get(r.get("experimentId", ""), ""),
            "status": r.get("status"),
            "type": r.get("runType") or "",
            "started": r.get("startTimeUtc"),
            "ended": r.get("endTimeUtc"),
        }
        for r in found
    ]
