"""Environments of every workspace."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any

from fakes.core.errors import bad_request, conflict, not_found
from fakes.core.records import record
from fakes.core.state import Backend
from fakes.core.tenancy import Workspace

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._ ]{0,254}")
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,29}")
# Names that Microsoft keeps for its curated environments.
RESERVED = ("microsoft", "azureml")
# Sections of a definition, as the answer spells them; the SDK sends some in PascalCase.
_SECTIONS = ("python", "environmentVariables", "docker", "spark", "inferencingStackVersion", "r")


@record
class EnvironmentVersion:
    """One version; `sections` holds what makes up its definition."""

    name: str
    version: str
    sections: dict[str, Any]
    created: str
    labels: list[str] = field(default_factory=list)


class EnvironmentsBackend(Backend):
    """Environments of every workspace: versions of a name in the order in which they were registered."""

    name = "environments"
    exported = ("items",)

    def __init__(self, state: Any) -> None:
        super().__init__(state)
        self.items: dict[str, dict[str, list[EnvironmentVersion]]] = {}

    def register(
        self, workspace: Workspace, name: str, body: dict[str, Any], version: str | None = None
    ) -> EnvironmentVersion:
        """Register a definition. An unchanged one is the version that exists; a new one gets the next number."""
        given = {key.casefold(): value for key, value in body.items()}
        sections = {key: given.get(key.casefold()) for key in _SECTIONS}
        self._check(name, version, given)
        with self.state.lock:
            versions = self.items.setdefault(workspace.key, {}).setdefault(name, [])
            if version is not None:
                for known in versions:
                    if known.version == version:
                        if known.sections != sections:
                            raise conflict(
                                f"Environment {name} version {version} exists with another definition; versions cannot "
                                "be changed.",
                                "EnvironmentVersionImmutable",
                            )
                        return known
            elif versions and versions[-1].sections == sections:
                return versions[-1]
            number = version or str(1 + max([int(v.version) for v in versions if v.version.isdigit()], default=0))
            made = EnvironmentVersion(name, number, sections, self.state.clock.iso())
            versions.append(made)
            return made

    def _check(self, name: str, version: str | None, given: dict[str, Any]) -> None:
        sent = given.get("name")
        if sent is not None and sent != name:
            raise bad_request(f"The name in the body, '{sent}', is not the name in the path, '{name}'.", "UserError")
        for section in ("python", "docker", "environmentvariables", "spark"):
            if given.get(section) is not None and not isinstance(given[section], dict):
                raise bad_request(f"'{section}' must be an object.", "UserError")
        if not self.state.settings.strict:
            return
        if not _NAME.fullmatch(name):
            raise bad_request(f"The environment name '{name}' is not valid.", "UserError")
        if name.casefold().startswith(RESERVED):
            raise bad_request(
                f"The environment name '{name}' is reserved: names that begin with 'Microsoft' or 'AzureML' belong to "
                "curated environments.",
                "UserError",
            )
        if version is not None and not _VERSION.fullmatch(version):
            raise bad_request(f"The environment version '{version}' is not valid.", "UserError")
        unknown = set(given) - {"name", "version", "assetid", "labels", *(s.casefold() for s in _SECTIONS)}
        unknown -= {"databricks", "attribute", "condaenvironment"}
        if unknown:
            raise bad_request(f"Unknown fields: {', '.join(sorted(unknown))}.", "UserError")

    def versions(self, workspace: Workspace, name: str) -> list[EnvironmentVersion]:
        """Return the versions of a name, oldest first; 404 when there are none."""
        found = self.items.get(workspace.key, {}).get(name)
        if not found:
            raise not_found(f"No environment exists for name: {name}", "UserError")
        return found

    def get(self, workspace: Workspace, name: str, version: str | None = None) -> EnvironmentVersion:
        """Return a version, the latest when none is given; 404 when there is none."""
        versions = self.versions(workspace, name)
        if version is None:
            return versions[-1]
        for known in versions:
            if known.version == version:
                return known
        raise not_found(f"No environment exists for name: {name}, version: {version}", "UserError")

    def labelled(self, workspace: Workspace, name: str, label: str) -> EnvironmentVersion:
        """Return the version that a label names; ``latest`` always names the last one."""
        versions = self.versions(workspace, name)
        if label.lower() == "latest":
            return versions[-1]
        for known in versions:
            if label in known.labels:
                return known
        raise not_found(f"No environment exists for name: {name}, label: {label}", "UserError")

    def set_labels(self, workspace: Workspace, name: str, version: str, labels: list[str]) -> None:
        """Give labels to a version; a label names one version only, so others lose it."""
        with self.state.lock:
            target = self.get(workspace, name, version)
            for known in self.versions(workspace, name):
                known.labels = [label for label in known.labels if label not in labels]
            target.labels = list(labels)

    def latest(self, workspace: Workspace) -> list[EnvironmentVersion]:
        """Return the last version of each name, by name."""
        return [versions[-1] for _, versions in sorted(self.items.get(workspace.key, {}).items()) if versions]
