"""Assets of every workspace."""

from __future__ import annotations

from typing import Any

from fakes.core.errors import bad_request, not_found
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace

FIELDS = frozenset(
    ["id", "name", "type", "description", "artifacts", "kvTags", "properties", "runid", "meta", "createdTime"]
)


@record
class Asset:
    """One asset, its artifacts as ``{"prefix": ...}`` or ``{"id": ...}``."""

    id: str
    name: str
    document: dict[str, Any]


class AssetsBackend(Backend):
    """Assets of every workspace."""

    name = "assets"
    exported = ("items",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, dict[str, Asset]] = {}

    def create(self, workspace: Workspace, body: dict[str, Any]) -> Asset:
        """Create an asset."""
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise bad_request("The field 'name' is required.", "BadRequest")
        artifacts = body.get("artifacts") or []
        if not isinstance(artifacts, list) or not all(
            isinstance(a, dict) and isinstance(a.get("prefix") or a.get("id"), str) for a in artifacts
        ):
            raise bad_request("'artifacts' must be a list of objects with a 'prefix' or an 'id'.", "BadRequest")
        unknown = sorted(set(body) - FIELDS)
        if unknown and self.state.settings.strict:
            raise bad_request(f"Unknown fields: {', '.join(unknown)}.", "BadRequest")
        with self.state.lock:
            asset_id = self.state.ids.guid().replace("-", "")
            asset = Asset(
                asset_id,
                name,
                {
                    "id": asset_id,
                    "name": name,
                    "type": body.get("type"),
                    "description": body.get("description"),
                    "artifacts": [{"prefix": a.get("prefix"), "id": a.get("id")} for a in artifacts],
                    "kvTags": body.get("kvTags") or {},
                    "properties": body.get("properties") or {},
                    "runid": body.get("runid"),
                    "meta": body.get("meta") or {},
                    "createdTime": self.state.clock.iso(),
                },
            )
            self.items.setdefault(workspace.key, {})[asset_id] = asset
            return asset

    def get(self, workspace: Workspace, asset_id: str) -> Asset:
        """Return an asset; 404 when there is none."""
        found = self.items.get(workspace.key, {}).get(asset_id)
        if found is None:
            raise not_found(f"Asset with id {asset_id} was not found.", "AssetNotFound")
        return found

    def all(self, workspace: Workspace, *, name: str | None = None, run_id: str | None = None) -> list[Asset]:
        """Return the assets, oldest first."""
        return [
            asset
            for asset in self.items.get(workspace.key, {}).values()
            if name in (None, asset.name) and run_id in (None, asset.document["runid"])
        ]

    def delete(self, workspace: Workspace, asset_id: str) -> None:
        """Delete an asset (not its artifacts)."""
        self.get(workspace, asset_id)
        del self.items[workspace.key][asset_id]

    def references(self, workspace: Workspace, url: str) -> list[str]:
        """Return the artifact references, ``origin/container/prefix``, behind ``aml://asset/ID`` or ``aml://artifact/REF``."""
        if url.startswith("aml://artifact/"):
            return [url.removeprefix("aml://artifact/")]
        if not url.startswith("aml://asset/"):
            raise bad_request(f"'{url}' is not an aml://asset/ or aml://artifact/ address.", "BadRequest")
        asset = self.get(workspace, url.removeprefix("aml://asset/"))
        return [a["prefix"] or a["id"] for a in asset.document["artifacts"]]
