"""Parameters of pipelines and templates: declared, typed, checked.

Source: learn.microsoft.com/azure/devops/pipelines/process/template-parameters ("Parameter data types").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearse.azure.values import to_text
from rehearse.errors import PipelineError
from rehearse.source import Node, Text, where

# The shorthand steps, and the task that the service makes of each before a template sees it in a step list.
SHORTHAND = {
    "script": ("CmdLine@2", "script"),
    "bash": ("Bash@3", "script"),
    "pwsh": ("PowerShell@2", "script"),
    "powershell": ("PowerShell@2", "script"),
}
_STRUCTURES = ("step", "stepList", "job", "jobList", "deployment", "deploymentList", "stage", "stageList")
_KNOWN = ("string", "stringList", "number", "boolean", "object", *_STRUCTURES)


def declared(document: Node) -> list[Node]:
    """The declarations of a file, the old mapping form (name: default) turned into the new one."""
    given = document.get("parameters")
    if given is None:
        return []
    if isinstance(given, Node):
        return [_declaration(name, {"name": name, "default": value, "type": "legacy"}) for name, value in given.items()]
    if not isinstance(given, list):
        raise PipelineError("'parameters' must be a list", where=where(document))
    for item in given:
        if not isinstance(item, Node) or not item.get("name"):
            raise PipelineError("a parameter needs a name", where=where(item))
        unknown = set(item) - {"name", "displayName", "type", "default", "values"}
        if unknown:
            raise PipelineError(f"a parameter has no key {sorted(unknown)[0]!r}", where=where(item))
        kind = item.get("type", "string")
        if kind not in _KNOWN:
            raise PipelineError(f"{kind!r} is no parameter type", where=where(kind), hint=f"one of {', '.join(_KNOWN)}")
    return given


def _declaration(name: Any, content: dict[str, Any]) -> Node:
    node = Node(content)
    node.where = where(name)
    return node


def bind(document: Node, given: Mapping[str, Any], place: str | None) -> dict[str, Any]:
    """The values of a file's parameters.

    Parameters
    ----------
    document : Node
        The file that declares them.
    given : mapping
        What the caller passes.
    place : str or None
        Where the caller stands, for errors.

    Raises
    ------
    PipelineError
        A parameter is unexpected, missing, of the wrong type, or not among the declared values.
    """
    known = {str(item["name"]).lower(): item for item in declared(document)}
    passed = {str(name).lower(): value for name, value in given.items()}
    for name, value in given.items():
        if str(name).lower() not in known:
            names = ", ".join(str(item["name"]) for item in known.values()) or "none"
            raise PipelineError(
                f"unexpected parameter {str(name)!r}",
                where=where(name) or where(value) or place,
                hint=f"declared: {names}",
            )
    values: dict[str, Any] = {}
    for key, item in known.items():
        if key in passed:
            value = passed[key]
        elif "default" in item:
            value = item["default"]
        else:
            raise PipelineError(
                f"a value for the parameter {str(item['name'])!r} must be given", where=place or where(item)
            )
        values[str(item["name"])] = _typed(item, value, place)
    return values


def _typed(item: Node, value: Any, place: str | None) -> Any:
    kind, name = str(item.get("type", "string")), str(item["name"])
    at = where(value) or place or where(item)
    if kind == "boolean":
        value = _boolean(name, value, at)
    elif kind == "number":
        value = _number(name, value, at)
    elif kind == "string":
        if isinstance(value, (Mapping, list)):
            raise PipelineError(f"the parameter {name!r} must be text", where=at)
        value = Text("" if value is None else to_text(value), at)
    elif kind.endswith("List"):
        value = [] if value is None else value
        if not isinstance(value, list):
            raise PipelineError(f"the parameter {name!r} must be a list ({kind})", where=at)
    elif kind in _STRUCTURES and not isinstance(value, Mapping):
        raise PipelineError(f"the parameter {name!r} must be a {kind}", where=at)
    if kind in ("step", "stepList"):
        value = [normal_step(step) for step in value] if isinstance(value, list) else normal_step(value)
    allowed = item.get("values")
    if allowed is not None and to_text(value) not in [to_text(choice) for choice in allowed]:
        choices = ", ".join(to_text(choice) for choice in allowed)
        raise PipelineError(f"the parameter {name!r} cannot be {to_text(value)!r}", where=at, hint=f"one of {choices}")
    return value


def _boolean(name: str, value: Any, place: str | None) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in ("true", "false"):
        raise PipelineError(f"the parameter {name!r} must be true or false, not {str(value)!r}", where=place)
    return word == "true"


def _number(name: str, value: Any, place: str | None) -> int | float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise PipelineError(f"the parameter {name!r} must be a number, not {value!r}", where=place) from None
    return int(number) if number.is_integer() else number


def normal_step(step: Any) -> Any:
    """A shorthand step as the task that it stands for, the other keys as they are."""
    if not isinstance(step, Node):
        return step
    for short, (task, key) in SHORTHAND.items():
        if short not in step:
            continue
        result = Node({"task": Text(task, step.where)})
        result.where = step.where
        inputs = Node({key: step[short]})
        for name, value in step.items():
            if name in ("workingDirectory", "failOnStderr"):
                inputs[name] = value
            elif name != short:
                result[name] = value
        if short == "pwsh":
            inputs["pwsh"] = Text("true")
        if short != "script" and task != "CmdLine@2":
            inputs["targetType"] = Text("inline")
        result["inputs"] = inputs
        return result
    return step
