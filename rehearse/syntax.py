"""The grammar of expressions. Both services share it; GitHub's has operators, Azure's has functions only and versions.

Sources: learn.microsoft.com/azure/devops/pipelines/process/expressions and
docs.github.com/actions/reference/workflows-and-actions/expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rehearse.errors import ExpressionError


@dataclass(frozen=True, order=True)
class Version:
    """A version literal, two to four numbers."""

    parts: tuple[int, ...]

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.parts)


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: Any


@dataclass(frozen=True)
class Name:
    """A context, such as ``variables``."""

    name: str


@dataclass(frozen=True)
class Index:
    """``of[key]`` or ``of.key``; a key of ``None`` is the filter ``*``."""

    of: Expression
    key: Expression | None


@dataclass(frozen=True)
class Call:
    """A function with its arguments; GitHub's operators are calls too (``==``, ``&&`` ...)."""

    function: str
    arguments: tuple[Expression, ...]


Expression = Literal | Name | Index | Call

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<version>\d+\.\d+\.\d+(?:\.\d+)?)
    | (?P<number>-?(?:0x[0-9a-fA-F]+|\d*\.?\d+(?:[eE][-+]?\d+)?))
    | (?P<word>[A-Za-z_][A-Za-z0-9_-]*)
    | (?P<operator>==|!=|<=|>=|&&|\|\||[<>!])
    | (?P<mark>[()\[\],.*])
    )""",
    re.VERBOSE,
)
_BINDING = [["||"], ["&&"], ["==", "!="], ["<", "<=", ">", ">="]]


class _Parser:
    def __init__(self, text: str, operators: bool, where: str | None) -> None:
        self.text = text
        self.operators = operators
        self.where = where
        self.tokens = [*self._tokens(), ("end", "")]
        self.at = 0

    def _tokens(self) -> Iterator[tuple[str, str]]:
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None or match.end() == position:
                raise self.error(f"cannot read {self.text[position:].strip()[:20]!r}")
            kind = str(match.lastgroup)
            if kind == "operator" and not self.operators:
                raise self.error(f"{match[kind]!r} is no operator here; use a function, such as eq() or and()")
            yield kind, match[kind]
            position = match.end()

    def error(self, message: str) -> ExpressionError:
        return ExpressionError(f"in the expression {self.text.strip()!r}: {message}", where=self.where)

    def peek(self) -> str:
        return self.tokens[self.at][1]

    def take(self, expected: str | None = None) -> tuple[str, str]:
        token = self.tokens[self.at]
        if expected is not None and token[1] != expected:
            raise self.error(f"expected {expected!r}" + (f" before {token[1]!r}" if token[1] else " at the end"))
        self.at += 1
        return token

    def whole(self) -> Expression:
        result = self.binary(0)
        if self.tokens[self.at][0] != "end":
            raise self.error(f"unexpected {self.peek()!r}")
        return result

    def binary(self, level: int) -> Expression:
        if level == len(_BINDING):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _BINDING[level] and self.tokens[self.at][0] == "operator":
            operator = self.take()[1]
            left = Call(operator, (left, self.binary(level + 1)))
        return left

    def unary(self) -> Expression:
        if self.tokens[self.at] == ("operator", "!"):
            self.take()
            return Call("!", (self.unary(),))
        return self.postfix()

    def postfix(self) -> Expression:
        result = self.primary()
        while self.peek() in (".", "[") and self.tokens[self.at][0] == "mark":
            if self.take()[1] == "[":
                if self.peek() == "*":
                    self.take()
                    result = Index(result, None)
                else:
                    result = Index(result, self.binary(0))
                self.take("]")
                continue
            kind, word = self.take()
            if word == "*":
                result = Index(result, None)
            elif kind == "word":
                result = Index(result, Literal(word))
            else:
                raise self.error(f"expected a name after '.', not {word!r}")
        return result

    def primary(self) -> Expression:
        kind, text = self.take()
        if kind == "string":
            return Literal(text[1:-1].replace("''", "'"))
        if kind == "version":
            if self.operators:
                raise self.error(f"{text!r} is no number")
            return Literal(Version(tuple(int(part) for part in text.split("."))))
        if kind == "number":
            return Literal(_number(text))
        if text == "(":
            result = self.binary(0)
            self.take(")")
            return result
        if kind != "word":
            raise self.error("it ends too early" if kind == "end" else f"unexpected {text!r}")
        lowered = text.lower()
        if self.peek() == "(":
            return Call(text, self.arguments())
        if lowered in ("true", "false"):
            return Literal(lowered == "true")
        if lowered == "null" and self.operators:
            return Literal(None)
        return Name(text)

    def arguments(self) -> tuple[Expression, ...]:
        self.take("(")
        found: list[Expression] = []
        while self.peek() != ")":
            found.append(self.binary(0))
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return tuple(found)


def _number(text: str) -> int | float:
    if "0x" in text:
        return int(text, 16)
    value = float(text)
    return int(value) if value.is_integer() else value


def parse(text: str, *, operators: bool, where: str | None = None) -> Expression:
    """Read one expression.

    Parameters
    ----------
    text : str
        What stands inside ``${{ }}``, ``$[ ]`` or after ``condition:``.
    operators : bool
        ``True`` for GitHub's dialect.
    where : str, optional
        Place for errors.

    Raises
    ------
    ExpressionError
        It cannot be read.
    """
    if not text.strip():
        raise ExpressionError("an expression is empty", where=where)
    return _Parser(text, operators, where).whole()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything in it."""
    yield expression
    if isinstance(expression, Call):
        for argument in expression.arguments:
            yield from walk(argument)
    elif isinstance(expression, Index):
        yield from walk(expression.of)
        if expression.key is not None:
            yield from walk(expression.key)


def path_of(expression: Expression) -> list[str] | None:
    """``['dependencies', 'A', 'result']`` for such a chain of constant keys, else ``None``."""
    if isinstance(expression, Name):
        return [expression.name]
    if isinstance(expression, Index) and isinstance(expression.key, Literal):
        head = path_of(expression.of)
        return None if head is None else [*head, str(expression.key.value)]
    return None
