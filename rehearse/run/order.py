"""What comes before what, for stages and jobs of both kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearse.errors import PipelineError


def in_order(items: list[Any]) -> list[Any]:
    """Stages or jobs so that each comes after what it needs, else as written.

    Raises
    ------
    PipelineError
        They need each other in a circle.
    """
    done: list[Any] = []
    names: set[str] = set()
    todo = list(items)
    while todo:
        ready = next((item for item in todo if all(need in names for need in item.needs)), None)
        if ready is None:
            circle = ", ".join(str(item.name) for item in todo)
            raise PipelineError(f"these depend on each other in a circle: {circle}", where=todo[0].where)
        todo.remove(ready)
        done.append(ready)
        names.add(ready.name)
    return done


def all_before(name: str, needs: Mapping[str, list[str]]) -> list[str]:
    """Everything that `name` depends on, indirectly too."""
    found: list[str] = []
    todo = list(needs.get(name, []))
    while todo:
        item = todo.pop()
        if item not in found:
            found.append(item)
            todo.extend(needs.get(item, []))
    return found
