"""Which pipelines a finished run starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rehearse.graph import Pipeline
from rehearse.run.results import GOOD, RunResult


def started_by(run: RunResult, branch: str, pipelines: Iterable[Pipeline]) -> list[tuple[Pipeline, str]]:
    """Azure: pipelines whose pipeline resource triggers on this run, each with the alias of that resource.

    All conditions of a trigger must hold: branches (one of them), tags (all of them). A run that failed triggers
    nothing.
    Source: learn.microsoft.com/azure/devops/pipelines/process/pipeline-triggers.
    """
    found: list[tuple[Pipeline, str]] = []
    if run.state not in GOOD:
        return found
    for pipeline in pipelines:
        for item in pipeline.triggers.get("pipelines", []):
            if str(item["source"]) == run.pipeline and _holds(item.get("trigger"), run, branch):
                found.append((pipeline, str(item["pipeline"])))
                break
    return found


def _holds(trigger: Any, run: RunResult, branch: str) -> bool:
    if trigger is None or str(trigger).lower() == "none":
        return False
    if not isinstance(trigger, Mapping):
        return str(trigger).lower() == "true"
    branches = trigger.get("branches")
    names = branches.get("include", []) if isinstance(branches, Mapping) else branches or []
    if names and branch.removeprefix("refs/heads/") not in [str(name).removeprefix("refs/heads/") for name in names]:
        return False
    return all(str(tag) in run.tags for tag in trigger.get("tags") or [])
