"""What a pipeline finds in its project and is not in its YAML: groups, connections, environments, other pipelines.

Read from ``.pipelines/rehearsal.yml``. The same list tells a person what to make in Azure DevOps or GitHub.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearse.azure.values import to_text
from rehearse.errors import PipelineError
from rehearse.source import Node, load, where


@dataclass
class Environment:
    """A target of deployments and the checks on it."""

    approvers: list[str] = field(default_factory=list)
    exclusive_lock: bool = False
    branches: list[str] = field(default_factory=list)


@dataclass
class Project:
    """The project around the files."""

    pipelines: dict[str, str] = field(default_factory=dict)
    """Azure: name of a pipeline in the project, and its file."""
    workflows: dict[str, str] = field(default_factory=dict)
    """GitHub: short name, and its file."""
    groups: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    """Names of variables (of any group, or of GitHub's secrets) that are secret."""
    connections: list[str] = field(default_factory=list)
    environments: dict[str, Environment] = field(default_factory=dict)
    queue_variables: list[str] = field(default_factory=list)
    """Variables that a person may set when queueing a run, and which need not exist."""
    shortened: dict[str, str] = field(default_factory=dict)
    """Commands too long for a rehearsal, and what runs instead; shown as such."""


def read(path: Path, root: Path) -> Project:
    """Read the description of the project.

    Raises
    ------
    PipelineError
        The file is missing or has a key that is not known.
    """
    document = load(path, root)
    known = {
        "pipelines",
        "workflows",
        "groups",
        "secrets",
        "connections",
        "environments",
        "queue_variables",
        "shortened",
    }
    for key in document:
        if key not in known:
            raise PipelineError(
                f"there is no key {str(key)!r}", where=where(key), hint=f"known: {', '.join(sorted(known))}"
            )
    project = Project(
        _texts(document.get("pipelines")),
        _texts(document.get("workflows")),
        {str(name): _texts(values) for name, values in (document.get("groups") or {}).items()},
        set(map(str, document.get("secrets") or [])),
        list(map(str, document.get("connections") or [])),
        queue_variables=list(map(str, document.get("queue_variables") or [])),
        shortened=_texts(document.get("shortened")),
    )
    for name, checks in (document.get("environments") or {}).items():
        checks = checks or {}
        unknown = set(checks) - {"approvers", "exclusive_lock", "branches"}
        if unknown:
            raise PipelineError(f"an environment has no key {sorted(unknown)[0]!r}", where=where(name))
        project.environments[str(name)] = Environment(
            list(map(str, checks.get("approvers") or [])),
            to_text(checks.get("exclusive_lock")).lower() == "true",
            list(map(str, checks.get("branches") or [])),
        )
    return project


def _texts(mapping: Any) -> dict[str, str]:
    if mapping is None:
        return {}
    if not isinstance(mapping, Node):
        raise PipelineError("it must be a mapping of names to text", where=where(mapping))
    return {str(key): to_text(value) for key, value in mapping.items()}
