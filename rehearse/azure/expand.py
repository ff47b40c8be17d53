"""Expand an Azure pipeline: templates, parameters and everything inside ``${{ }}``.

Sources: learn.microsoft.com/azure/devops/pipelines/process/templates (paths, parameters, limits) and
.../process/template-expressions (insertion, if/elseif/else, each).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rehearse.azure.evaluate import Evaluator, Strict
from rehearse.azure.parameters import bind, declared
from rehearse.azure.values import to_boolean, to_text
from rehearse.errors import NotRehearsed, PipelineError
from rehearse.interpolate import substitute
from rehearse.source import Node, Text, load, where

_DIRECTIVE = re.compile(r"\s*\$\{\{\s*(if|elseif|each|insert|else)\b(.*)\}\}\s*$", re.DOTALL)
_EACH = re.compile(r"\s*([A-Za-z_]\w*)\s+in\s+(.+)$", re.DOTALL)
MOST_FILES, MOST_LEVELS = 100, 20  # the service's limits

# role of a mapping -> key -> role of what stands there; a plural role is a list whose items have the singular one
_ROLES: dict[str, dict[str, str]] = {
    "pipeline": {"stages": "stages", "jobs": "jobs", "steps": "steps"},
    "stage": {"jobs": "jobs"},
    "job": {"steps": "steps", "strategy": "strategy"},
    "strategy": {"runOnce": "hooks", "rolling": "hooks", "canary": "hooks"},
    "hooks": {
        "preDeploy": "hook",
        "deploy": "hook",
        "routeTraffic": "hook",
        "postRouteTraffic": "hook",
        "on": "outcomes",
    },
    "outcomes": {"failure": "hook", "success": "hook"},
    "hook": {"steps": "steps"},
}
_ITEMS = {"stages": "stage", "jobs": "job", "steps": "step"}
_PASSED = {
    "step": "step",
    "stepList": "steps",
    "job": "job",
    "jobList": "jobs",
    "deployment": "job",
    "deploymentList": "jobs",
    "stage": "stage",
    "stageList": "stages",
}
_UNEXPANDED = ("trigger", "pr", "schedules", "parameters")


@dataclass
class Scope:
    """What expressions see in one file."""

    file: Path
    parameters: Strict
    variables: dict[str, Any]
    locals: dict[str, Any] = field(default_factory=dict)
    level: int = 0

    def evaluator(self) -> Evaluator:
        return Evaluator({"parameters": self.parameters, "variables": self.variables, **self.locals})


class Expander:
    """Expands pipelines of one repository.

    Parameters
    ----------
    root : pathlib.Path
        The repository; template paths that begin with ``/`` are relative to it.
    predefined : mapping of str to str
        Variables that the service knows when it expands (``Build.Reason`` ...).
    overrides : mapping of str to str, optional
        Variables of the files that get another value: what an edit of the file would do.
    """

    def __init__(
        self, root: Path, predefined: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None
    ) -> None:
        self.root = root
        self.overrides = dict(overrides or {})
        self.predefined = dict(predefined or {})
        self.files: list[Path] = []

    def pipeline(self, path: Path, given: Mapping[str, Any] | None = None) -> tuple[Node, dict[str, Any]]:
        """The expanded document and the values of the pipeline's own parameters."""
        self.files = []
        document = self._read(path, None, 0)
        scope = Scope(path.resolve(), Strict(bind(document, given or {}, None)), dict(self.predefined))
        if "extends" not in document:
            return self._mapping(document, "pipeline", scope), dict(scope.parameters)
        outer = Node({key: value for key, value in document.items() if key != "extends"})
        outer.where = document.where
        result = self._mapping(outer, "pipeline", scope)
        inner = self._extended(document["extends"], scope)
        for key, value in inner.items():
            if key in ("variables", "resources") and key in result:
                result[key] = _joined(result[key], value)
            elif key in result and key != "parameters":
                raise PipelineError(
                    f"{str(key)!r} stands both here and in the template that is extended", where=where(key)
                )
            else:
                result[key] = value
        return result, dict(scope.parameters)

    def _extended(self, extends: Any, scope: Scope) -> Node:
        if not isinstance(extends, Node) or "template" not in extends:
            raise PipelineError("'extends' needs a template", where=where(extends))
        document, inner = self._template(extends, scope)
        if "extends" in document:
            return self._extended(document["extends"], inner)
        return self._mapping(document, "pipeline", inner)

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _template(self, reference: Node, scope: Scope) -> tuple[Node, Scope]:
        unknown = set(reference) - {"template", "parameters"}
        if unknown:
            raise PipelineError(f"a template reference has no key {sorted(unknown)[0]!r}", where=reference.where)
        name = to_text(self.scalar(reference["template"], scope))
        place = where(reference["template"]) or reference.where
        file, at, repository = name.partition("@")
        if at and repository != "self":
            raise NotRehearsed(f"the template {name!r} is in another repository", where=place)
        path = (self.root / file.lstrip("/") if file.startswith("/") else scope.file.parent / file).resolve()
        document = self._read(path, place, scope.level + 1)
        given = reference.get("parameters") or Node()
        if not isinstance(given, Node):
            raise PipelineError("'parameters' of a template must be a mapping", where=place)
        # A step list that is passed may itself refer to templates: they are relative to the file that passes it.
        roles = {str(item["name"]).lower(): _PASSED.get(str(item.get("type")), "plain") for item in declared(document)}
        passed = self._mapping(given, "given", scope, roles)
        return document, Scope(path, Strict(bind(document, passed, place)), scope.variables, level=scope.level + 1)

    def _read(self, path: Path, place: str | None, level: int) -> Node:
        self.files.append(path)
        if len(self.files) > MOST_FILES:
            raise PipelineError(f"more than {MOST_FILES} template files are included", where=place)
        if level > MOST_LEVELS:
            raise PipelineError(f"templates are nested more than {MOST_LEVELS} deep", where=place)
        if place is not None and not path.is_file():
            raise PipelineError(f"there is no template {self._shown(path)}", where=place)
        return load(path, self.root)

    # ---- values ------------------------------------------------------------------------------------------------
    def scalar(self, value: Any, scope: Scope) -> Any:
        """A scalar with its expressions replaced."""
        if not isinstance(value, str) or "${{" not in value:
            return value
        place = where(value)
        evaluate = scope.evaluator()
        result = substitute(value, "${{", "}}", lambda text: evaluate(text, place), to_text, place)
        return Text(result, place) if isinstance(result, str) else result

    def expand(self, value: Any, role: str, scope: Scope) -> Any:
        """Anything, expanded."""
        if isinstance(value, Node):
            return self._mapping(value, role, scope)
        if isinstance(value, list):
            return self._sequence(value, role, scope)
        result = self.scalar(value, scope)
        return result if result is value or not isinstance(result, (Node, list)) else self.expand(result, role, scope)

    def _condition(self, text: str, scope: Scope, place: str | None) -> bool:
        return to_boolean(scope.evaluator()(text, place))

    def _chosen(self, key: str, taken: bool | None, scope: Scope) -> tuple[str | None, bool | None, list[Scope]]:
        """What a directive key says: its word, whether its if-chain has taken a branch, the scopes to expand in."""
        match = _DIRECTIVE.match(key)
        if match is None:
            return None, None, []
        word, rest, place = match[1], match[2], where(key)
        if word == "if":
            taken = self._condition(rest, scope, place)
            return word, taken, [scope] if taken else []
        if word in ("elseif", "else"):
            if taken is None:
                raise PipelineError(f"'{word}' without an 'if' before it", where=place)
            now = not taken and (word == "else" or self._condition(rest, scope, place))
            return word, (taken or now) if word == "elseif" else None, [scope] if now else []
        if word == "insert":
            return word, None, [scope]
        each = _EACH.match(rest)
        if each is None:
            raise PipelineError("write it as ${{ each NAME in COLLECTION }}", where=place)
        items = scope.evaluator()(each[2], place)
        if items is None:
            items = []
        if isinstance(items, Mapping):
            items = [Node({"key": name, "value": item}) for name, item in items.items()]
        if not isinstance(items, list):
            raise PipelineError(f"{each[2].strip()!r} is no list and no mapping", where=place)
        return word, None, [replace(scope, locals={**scope.locals, each[1]: item}) for item in items]

    # ---- structures --------------------------------------------------------------------------------------------
    def _mapping(self, node: Node, role: str, scope: Scope, roles: Mapping[str, str] | None = None) -> Node:
        result = Node()
        result.where = node.where
        if role in ("pipeline", "stage", "job") and "variables" in node:
            scope = replace(scope, variables=dict(scope.variables))
            result["variables"] = self._variables(node["variables"], scope)
        taken: bool | None = None
        for key, value in node.items():
            word, taken, scopes = self._chosen(key, taken, scope)
            if word is None:
                self._entry(key, value, role, scope, result, roles)
            for inner in scopes:
                self._merge(self.expand(value, role, inner), result, where(key))
        return result

    def _entry(
        self, key: str, value: Any, role: str, scope: Scope, result: Node, roles: Mapping[str, str] | None
    ) -> None:
        if role == "pipeline" and key in _UNEXPANDED:
            if "${{" in str(value):
                raise PipelineError(f"expressions are not expanded in {str(key)!r}", where=where(value) or where(key))
            result[key] = value
            return
        if role in ("pipeline", "stage", "job") and key == "variables":
            if "variables" not in result:  # it came out of a conditional insertion
                result[key] = self._variables(value, scope)
            return
        name = Text(to_text(self.scalar(key, scope)), where(key))
        if name in result:
            raise PipelineError(f"the key {str(name)!r} occurs twice after expansion", where=where(name))
        inner = roles.get(name.lower(), "plain") if roles is not None else _ROLES.get(role, {}).get(name, "plain")
        result[name] = self.expand(value, inner, scope)

    def _merge(self, value: Any, result: Node, place: str | None) -> None:
        if value is None:
            return
        if not isinstance(value, Mapping):
            raise PipelineError("only a mapping can be inserted into a mapping", where=place)
        for name, item in value.items():
            if name in result:
                raise PipelineError(f"the key {str(name)!r} occurs twice after expansion", where=where(name) or place)
            result[name] = item

    def _sequence(self, items: list[Any], role: str, scope: Scope) -> list[Any]:
        result: list[Any] = []
        taken: bool | None = None
        for item in items:
            if isinstance(item, Node) and len(item) == 1 and not isinstance(next(iter(item.values())), Node):
                key, value = next(iter(item.items()))
                word, taken, scopes = self._chosen(key, taken, scope)
                if word is not None:
                    for inner in scopes:
                        _splice(self.expand(value, role, inner), result)
                    continue
            taken = None
            if isinstance(item, Node) and "template" in item and role in _ITEMS:
                result.extend(self._included(item, role, scope))
            elif isinstance(item, str):
                value = self.expand(item, role, scope)
                _splice(value, result) if "${{" in item else result.append(value)
            else:
                value = self.expand(item, _ITEMS.get(role, "plain"), scope)
                if value or not item:  # a mapping of which no conditional part was taken is no item
                    result.append(value)
        return result

    def _included(self, reference: Node, role: str, scope: Scope) -> list[Any]:
        document, inner = self._template(reference, scope)
        place = where(reference["template"])
        stray = set(document) - {"parameters", role}
        if role not in document or stray:
            holds = ", ".join(sorted(set(document) - {"parameters"})) or "nothing"
            raise PipelineError(
                f"the template {self._shown(inner.file)} must hold {role} alone, it holds {holds}", where=place
            )
        expanded = self.expand(document[role], role, inner)
        return expanded if isinstance(expanded, list) else []

    def _variables(self, value: Any, scope: Scope) -> list[Node]:
        """The entries of a ``variables`` block in order, each seen by those after it."""
        found: list[Node] = []
        if isinstance(value, Node):
            taken: bool | None = None
            for key, item in value.items():
                word, taken, scopes = self._chosen(key, taken, scope)
                if word is None:
                    found.append(self._variable(key, self.scalar(item, scope), where(key), scope))
                for inner in scopes:
                    found.extend(self._variables(item, inner))
            return found
        if not isinstance(value, list):
            raise PipelineError("'variables' must be a mapping or a list", where=where(value))
        taken = None
        for item in value:
            if isinstance(item, Node) and len(item) == 1 and _DIRECTIVE.match(next(iter(item))):
                key, body = next(iter(item.items()))
                _, taken, scopes = self._chosen(key, taken, scope)
                for inner in scopes:
                    found.extend(self._variables(body, inner))
                continue
            taken = None
            if isinstance(item, Node) and "template" in item:
                document, inner = self._template(item, scope)
                if "variables" not in document:
                    raise PipelineError(f"the template {self._shown(inner.file)} holds no variables", where=item.where)
                found.extend(self._variables(document["variables"], inner))
            elif isinstance(item, Node) and "group" in item:
                found.append(self._mapping(item, "plain", scope))
            elif isinstance(item, Node) and "name" in item:
                entry = self._mapping(item, "plain", scope)
                found.append(self._variable(to_text(entry["name"]), entry.get("value"), item.where, scope))
            else:
                raise PipelineError("an entry of 'variables' has a name, a group or a template", where=where(item))
        return found

    def _variable(self, name: str, value: Any, place: str | None, scope: Scope) -> Node:
        if isinstance(value, (Mapping, list)):
            raise PipelineError(f"the variable {name!r} must be text", where=place)
        text = Text(self.overrides.get(str(name), to_text(value)), place)
        scope.variables[str(name)] = text
        node = Node({"name": Text(name, place), "value": text})
        node.where = place
        return node


def _splice(value: Any, result: list[Any]) -> None:
    if isinstance(value, list):
        result.extend(value)
    elif value is not None:
        result.append(value)


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, list) and isinstance(second, list):
        return first + second
    if isinstance(first, Node) and isinstance(second, Node):
        merged = Node(first)
        for key, value in second.items():
            merged[key] = _joined(first[key], value) if key in first else value
        return merged
    raise PipelineError("two blocks of different form cannot be joined", where=where(second))
