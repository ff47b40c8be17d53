"""Conditions of both kinds of pipeline in one spelling, so that they can be compared: equal spelling, equal meaning."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rehearse.github.evaluate import STATUS
from rehearse.syntax import Call, Expression, Index, Literal, Name, parse, path_of, walk

_ALIKE = {"&&": "and", "||": "or", "==": "eq", "!=": "ne", "!": "not"}
_STATES = {
    "succeeded": "succeeded", "success": "succeeded", "succeededwithissues": "succeeded", "failed": "failed",
    "failure": "failed", "canceled": "canceled", "cancelled": "canceled", "skipped": "skipped",
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A condition as a tree: ``and`` and ``or`` of a set of terms, ``not`` of one, or a statement in words."""

    kind: str
    parts: frozenset[Term] = frozenset()
    words: str = ""

    def __str__(self) -> str:
        if self.kind == "says":
            return self.words
        if self.kind == "not":
            return f"not ({next(iter(self.parts))})"
        shown = sorted(f"({part})" if part.kind in ("and", "or") else str(part) for part in self.parts)
        return f" {self.kind} ".join(shown) or {"and": "always", "or": "never"}[self.kind]


def _says(words: str) -> Term:
    return Term("says", words=words)


ALWAYS, NEVER = Term("and"), Term("or")


def _both(kind: str, parts: list[Term]) -> Term:
    """``and`` or ``or``: nested ones flattened, what changes nothing left out."""
    neutral, other = (ALWAYS, NEVER) if kind == "and" else (NEVER, ALWAYS)
    flat: set[Term] = set()
    for part in parts:
        if part == other:
            return other
        if part != neutral:
            flat |= part.parts if part.kind == kind else {part}
    return next(iter(flat)) if len(flat) == 1 else Term(kind, frozenset(flat))


def _not(term: Term) -> Term:
    if term in (ALWAYS, NEVER):
        return NEVER if term == ALWAYS else ALWAYS
    return next(iter(term.parts)) if term.kind == "not" else Term("not", frozenset({term}))


def read(text: str | None, kind: str) -> Term:
    """A condition as a tree; ``None`` is the usual one, and GitHub puts it before one that asks for no status.

    Parameters
    ----------
    text : str or None
        As in the file.
    kind : str
        ``azure`` or ``github``.
    """
    usual = _says("succeeded")
    if text is None:
        return usual
    bare = text.strip().removeprefix("${{").removesuffix("}}")
    expression = parse(bare, operators=kind == "github")
    term = _term(expression)
    asks = any(isinstance(part, Call) and part.function.lower() in STATUS for part in walk(expression))
    return term if kind == "azure" or asks else _both("and", [usual, term])


def condition(text: str | None, kind: str) -> str:
    """A condition in one spelling; empty for the usual one."""
    shown = str(read(text, kind))
    return "" if shown == "succeeded" else shown


def rescues(text: str | None, kind: str) -> bool:
    """Whether it holds only when something has gone wrong."""
    term = read(text, kind)
    alternatives = term.parts if term.kind == "or" else frozenset({term})
    return all(_goes_wrong(part) for part in alternatives)


def _goes_wrong(term: Term) -> bool:
    if term.kind == "and":
        return any(_goes_wrong(part) for part in term.parts)
    if term.kind == "or":
        return bool(term.parts) and all(_goes_wrong(part) for part in term.parts)
    return term.kind == "says" and term.words.split(" ")[-1] in ("failed", "canceled")


def _term(expression: Expression) -> Term:
    if isinstance(expression, Literal):
        return ALWAYS if expression.value else NEVER
    if not isinstance(expression, Call):
        return _says(_name(expression))
    name = expression.function.lower()
    name, arguments = _ALIKE.get(name, name), expression.arguments
    if name in ("and", "or"):
        return _both(name, [_term(part) for part in arguments])
    if name == "not":
        return _not(_term(arguments[0]))
    if name == "always":
        return ALWAYS
    if name == "succeededorfailed" and not arguments:
        return _both("or", [_says("succeeded"), _says("failed")])
    if name in ("eq", "in"):
        return _both("or", [_equal(arguments[0], other) for other in arguments[1:]])
    if name in ("ne", "notin"):
        return _not(_both("or", [_equal(arguments[0], other) for other in arguments[1:]]))
    if name == "contains" and (listed := _listed(arguments[0])) is not None:
        return _both("or", [_equal(arguments[1], Literal(other)) for other in listed])
    if name in _STATES:
        named = [_says(f"{part.value} {_STATES[name]}") for part in arguments if isinstance(part, Literal)]
        joined = "and" if _STATES[name] == "succeeded" else "or"
        return _both(joined, list(named)) if named else _says(_STATES[name])
    return _says(f"{name}({', '.join(str(_name(part)) for part in arguments)})")


def _listed(expression: Expression) -> list[object] | None:
    """The list in ``fromJSON('[...]')``."""
    if not (isinstance(expression, Call) and expression.function.lower() == "fromjson"):
        return None
    (text,) = expression.arguments
    value = json.loads(str(text.value)) if isinstance(text, Literal) else None
    return value if isinstance(value, list) else None


def _equal(left: Expression, right: Expression) -> Term:
    path = path_of(left) or []
    if len(path) == 3 and path[0] in ("dependencies", "needs") and path[2] == "result" and isinstance(right, Literal):
        return _says(f"{path[1]} {_STATES.get(str(right.value).lower(), right.value)}")
    return _says(f"{_name(left)} is {_name(right)}")


def _name(expression: Expression) -> str:
    """An output of a step or job, an input, a variable: known by its last name on both sides."""
    if isinstance(expression, Literal):
        return f"'{expression.value}'"
    if isinstance(expression, Name):
        return expression.name
    if isinstance(expression, Index):
        key = expression.key.value if isinstance(expression.key, Literal) else "*"
        return str(key).rpartition(".")[2]
    return str(_term(expression))
