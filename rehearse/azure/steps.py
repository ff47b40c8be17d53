"""Steps of Azure pipelines: shorthand made into the task that it stands for, keys checked."""

from __future__ import annotations

import re
from typing import Any

from rehearse.azure.parameters import SHORTHAND
from rehearse.azure.values import to_text
from rehearse.errors import PipelineError
from rehearse.graph import Step
from rehearse.source import Node, where

_STEP = {
    "name",
    "displayName",
    "condition",
    "continueOnError",
    "enabled",
    "env",
    "timeoutInMinutes",
    "retryCountOnTaskFailure",
    "target",
}
_SHORT_INPUTS = {"workingDirectory", "failOnStderr", "errorActionPreference"}
_INPUTS = {
    "checkout": {
        "clean",
        "fetchDepth",
        "fetchFilter",
        "fetchTags",
        "lfs",
        "persistCredentials",
        "submodules",
        "path",
        "sparseCheckoutDirectories",
    },
    "publish": {"artifact"},
    "download": {"artifact", "patterns"},
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_TASK = re.compile(r"[A-Za-z][\w.-]*@\d+(\.\d+)*$")


def keys(node: Node, known: set[str], what: str) -> None:
    """Refuse a key that the service does not have there."""
    for key in node:
        if key not in known:
            raise PipelineError(f"{what} has no key {str(key)!r}", where=where(key) or node.where)


def named(value: Any, what: str, place: str | None) -> str:
    """`value` as a name, or an error."""
    name = to_text(value)
    if not _NAME.match(name):
        hint = "letters, digits, underscores"
        raise PipelineError(f"{name!r} is no name of a {what}", where=where(value) or place, hint=hint)
    return name


def condition(node: Node) -> str | None:
    """The text of a condition, or ``None`` for the usual one."""
    value = node.get("condition")
    return value if value is None or isinstance(value, str) else to_text(value)


def steps(items: Any, place: str | None) -> list[Step]:
    """The steps of a job or hook."""
    if not isinstance(items, list):
        raise PipelineError("'steps' must be a list", where=where(items) or place)
    found = [_step(item, place) for item in items]
    named = [step.name.lower() for step in found if step.name]
    for name in named:
        if named.count(name) > 1:
            raise PipelineError(f"two steps are named {name!r}", where=place)
    return found


def _step(item: Any, place: str | None) -> Step:
    if not isinstance(item, Node):
        raise PipelineError("a step must be a mapping", where=where(item) or place)
    kinds = [key for key in ("task", "checkout", "publish", "download", *SHORTHAND) if key in item]
    if len(kinds) != 1:
        has = ", ".join(item) or "nothing"
        raise PipelineError(
            f"a step is one task, script, checkout, publish or download; this one has {has}", where=item.where or place
        )
    kind = kinds[0]
    extra: set[str] = {kind}
    inputs: dict[str, Any] = {}
    if kind == "task":
        uses = to_text(item["task"])
        if not _TASK.match(uses):
            raise PipelineError(f"{uses!r} is no task with a version, such as AzureCLI@2", where=item.where)
        inputs = dict(item.get("inputs") or {})
        extra |= {"inputs"}
    elif kind in SHORTHAND:
        uses, key = SHORTHAND[kind]
        inputs = {key: item[kind]} | {name: item[name] for name in _SHORT_INPUTS if name in item}
        extra |= _SHORT_INPUTS
    else:
        uses = kind
        known = _INPUTS[kind]
        inputs = {kind: item[kind]} | {name: item[name] for name in known if name in item}
        extra |= known
    keys(item, _STEP | extra, f"a {kind} step")
    return Step(
        uses,
        inputs,
        None if item.get("name") is None else named(item["name"], "step", item.where),
        to_text(item.get("displayName")) or (to_text(item.get(kind)).strip().splitlines() or [""])[0][:60],
        condition(item),
        {str(key): to_text(value) for key, value in (item.get("env") or {}).items()},
        to_text(item.get("continueOnError", "false")).lower(),
        to_text(item.get("enabled", "true")).lower() != "false",
        kind if kind in SHORTHAND else None,
        item.where or place,
    )
