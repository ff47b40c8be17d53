"""JSON Patch (RFC 6902) as model management takes it: on top-level members and their entries."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from fakes.core.errors import bad_request


def apply_patch(document: dict[str, Any], patch: Any, allowed: Collection[str]) -> dict[str, Any]:
    """Return `document` after `patch`; it is not changed itself.

    Raises
    ------
    AzureError
        400: not a patch, or a member that cannot be changed.
    """
    if not isinstance(patch, list) or not all(isinstance(step, dict) for step in patch):
        raise bad_request("The request body must be a list of patch operations.", "BadRequest")
    changed = copy.deepcopy(document)
    for step in patch:
        op, path = step.get("op"), step.get("path")
        if op not in ("add", "replace", "remove") or not isinstance(path, str) or not path.startswith("/"):
            raise bad_request(f"The patch operation {step!r} is not valid.", "BadRequest")
        member, *rest = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
        if member not in allowed:
            raise bad_request(f"The path '{path}' cannot be changed.", "BadRequest")
        if op != "remove" and "value" not in step:
            raise bad_request(f"The patch operation on '{path}' has no value.", "BadRequest")
        _apply(changed, member, rest, op, step.get("value"))
    return changed


def _apply(document: dict[str, Any], member: str, rest: list[str], op: str, value: Any) -> None:
    if not rest:
        before = document.get(member)
        if op == "remove":
            document[member] = {} if isinstance(before, dict) else None
        elif op == "add" and isinstance(before, dict) and isinstance(value, dict):
            document[member] = {**before, **value}
        elif op == "add" and isinstance(before, list) and isinstance(value, list):
            document[member] = [*before, *(item for item in value if item not in before)]
        else:
            document[member] = value
        return
    inner = document.setdefault(member, {})
    if len(rest) > 1 or not isinstance(inner, dict):
        raise bad_request(f"The path '/{member}/{'/'.join(rest)}' cannot be changed.", "BadRequest")
    if op == "remove":
        inner.pop(rest[0], None)
    else:
        inner[rest[0]] = value
