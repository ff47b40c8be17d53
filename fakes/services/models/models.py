"""Registered models of every workspace."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Any

from fakes.core.errors import AzureError, bad_request, not_found
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace
from fakes.services.artifacts.models import ArtifactsBackend
from fakes.services.assets.models import AssetsBackend
from fakes.services.models.patching import apply_patch

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")
# Members of a registration that the REST client inside azureml-core 1.61 declares.
FIELDS = frozenset(
    [
        "id",
        "name",
        "framework",
        "frameworkVersion",
        "version",
        "url",
        "mimeType",
        "description",
        "unpack",
        "kvTags",
        "properties",
        "parentModelId",
        "datasets",
        "experimentName",
        "runId",
        "createdTime",
        "modifiedTime",
        "createdBy",
        "sampleInputData",
        "sampleOutputData",
        "resourceRequirements",
        "derivedModelIds",
        "modelType",
        "stage",
        "tags",
    ]
)
CHANGEABLE = frozenset(
    ["kvTags", "description", "properties", "datasets", "sampleInputData", "sampleOutputData", "resourceRequirements"]
)


@record
class Model:
    """One version of a registered model: its document and its places in the orders of creation and of change."""

    name: str
    version: int
    created: int
    modified: int
    document: dict[str, Any]

    @property
    def id(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"


@record
class Registry:
    """The models of one workspace by id, and the last version number that each name was given."""

    models: dict[str, Model] = field(default_factory=dict)
    last_version: dict[str, int] = field(default_factory=dict)


class ModelsBackend(Backend):
    """Registered models of every workspace."""

    name = "models"
    exported = ("registries", "ticks")

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.registries: dict[str, Registry] = {}
        self.ticks = 0

    def of(self, workspace: Workspace) -> Registry:
        """Return the registry of a workspace."""
        return self.registries.setdefault(workspace.key, Registry())

    def _tick(self) -> int:
        self.ticks += 1
        return self.ticks

    def register(self, workspace: Workspace, body: dict[str, Any], created_by: dict[str, Any] | None = None) -> Model:
        """Register a version; the service gives it the next number of its name."""
        self._check(body)
        with self.state.lock:
            if self.state.settings.strict:
                self.state.backend(AssetsBackend).references(workspace, body["url"])
            registry, name, now = self.of(workspace), body["name"], self.state.clock.iso()
            version = registry.last_version.get(name, 0) + 1
            registry.last_version[name] = version
            tick = self._tick()
            model = Model(
                name,
                version,
                tick,
                tick,
                {
                    "id": f"{name}:{version}",
                    "name": name,
                    "framework": body.get("framework") or "Custom",
                    "frameworkVersion": body.get("frameworkVersion"),
                    "version": version,
                    "tags": None,
                    "datasets": body.get("datasets") or [],
                    "url": body["url"],
                    "mimeType": body["mimeType"],
                    "description": body.get("description"),
                    "createdTime": now,
                    "modifiedTime": now,
                    "unpack": bool(body.get("unpack", False)),
                    "parentModelId": body.get("parentModelId"),
                    "experimentName": body.get("experimentName"),
                    "runId": body.get("runId"),
                    "kvTags": body.get("kvTags") or {},
                    "properties": body.get("properties") or {},
                    "derivedModelIds": [],
                    "createdBy": created_by,
                    "sampleInputData": body.get("sampleInputData"),
                    "sampleOutputData": body.get("sampleOutputData"),
                    "resourceRequirements": body.get("resourceRequirements"),
                },
            )
            registry.models[model.id] = model
            return model

    def _check(self, body: dict[str, Any]) -> None:
        for name in ("name", "url", "mimeType"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise bad_request(f"The field '{name}' is required.", "BadRequest")
        for name in ("kvTags", "properties"):
            _check_strings(name, body.get(name))
        if not self.state.settings.strict:
            return
        if not _NAME.fullmatch(body["name"]):
            raise bad_request(
                f"The model name '{body['name']}' is not valid: at most 255 letters, digits, '-', '.' and '_', "
                "beginning with a letter or a digit.",
                "BadRequest",
            )
        unknown = sorted(set(body) - FIELDS)
        if unknown:
            raise bad_request(f"Unknown fields: {', '.join(unknown)}.", "BadRequest")

    def get(self, workspace: Workspace, model_id: str) -> Model:
        """Return a version by ``name:version``; 404 ModelNotFound."""
        found = self.of(workspace).models.get(model_id)
        if found is None:
            raise not_found(f"Model with id {model_id} was not found.", "ModelNotFound")
        return found

    def query(
        self,
        workspace: Workspace,
        *,
        name: str | None = None,
        framework: str | None = None,
        run_id: str | None = None,
        dataset_id: str | None = None,
        tags: list[str] | None = None,
        properties: list[str] | None = None,
        description: str | None = None,
        latest_only: bool = False,
    ) -> list[Model]:
        """Return the versions that fit every filter, newest first. A tag or property is ``key`` or ``key=value``."""
        found = [
            model
            for model in self.of(workspace).models.values()
            if name in (None, model.name)
            and framework in (None, model.document["framework"])
            and run_id in (None, model.document["runId"])
            and description in (None, model.document["description"])
            and (dataset_id is None or any(d.get("id") == dataset_id for d in model.document["datasets"]))
            and _fits(model.document["kvTags"], tags)
            and _fits(model.document["properties"], properties)
        ]
        if latest_only:
            latest: dict[str, Model] = {}
            for model in found:
                if model.name not in latest or latest[model.name].version < model.version:
                    latest[model.name] = model
            found = list(latest.values())
        return sorted(found, key=lambda model: -model.created)

    def patch(self, workspace: Workspace, model_id: str, steps: Any) -> Model:
        """Change a version. Properties can be added but not changed."""
        with self.state.lock:
            model = self.get(workspace, model_id)
            changed = apply_patch(model.document, steps, CHANGEABLE)
            for name in ("kvTags", "properties"):
                _check_strings(name, changed.get(name))
            if self.state.settings.strict:
                before = model.document["properties"]
                for key, value in before.items():
                    if changed["properties"].get(key) != value:
                        raise bad_request(f"The property '{key}' exists and cannot be changed.", "BadRequest")
            changed["modifiedTime"] = self.state.clock.iso()
            model.document, model.modified = changed, self._tick()
            return model

    def delete(self, workspace: Workspace, model_id: str) -> None:
        """Delete a version; 412 while something needs it."""
        with self.state.lock:
            self.get(workspace, model_id)
            users = self.state.users_of(workspace, "model", model_id)
            if users:
                raise AzureError(
                    412, "ModelInUse", f"Model {model_id} is in use by {', '.join(users)} and cannot be deleted."
                )
            del self.of(workspace).models[model_id]

    def download(self, workspace: Workspace, model_id: str, target: Path) -> list[Path]:
        """Write the files of a version below `target`, as ``Model.download`` lays them out."""
        model = self.get(workspace, model_id)
        references = self.state.backend(AssetsBackend).references(workspace, model.document["url"])
        artifacts = self.state.backend(ArtifactsBackend)
        return [path for reference in references for path in artifacts.materialize(workspace, reference, target)]


def _check_strings(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not all(
        isinstance(k, str) and (v is None or isinstance(v, str)) for k, v in value.items()
    ):
        raise bad_request(f"'{name}' must be an object of strings.", "BadRequest")


def _fits(have: dict[str, str], wanted: list[str] | None) -> bool:
    for term in wanted or ():
        key, equals, value = term.partition("=")
        if key not in have or (equals and have[key] != value):
            return False
    return True
