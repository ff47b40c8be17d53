"""Find the expressions in a text: ``${{ ... }}``, ``$[ ... ]``. Quoted marks inside an expression do not end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rehearse.errors import ExpressionError


def pieces(text: str, opening: str, closing: str, where: str | None = None) -> Iterator[tuple[bool, str]]:
    """Parts of `text` in order, each ``(is_expression, content)``."""
    position = 0
    while True:
        start = text.find(opening, position)
        if start < 0:
            break
        end = _end(text, start + len(opening), closing)
        if end < 0:
            raise ExpressionError(f"{opening!r} is never closed in {text.strip()[:60]!r}", where=where)
        if start > position:
            yield False, text[position:start]
        yield True, text[start + len(opening) : end]
        position = end + len(closing)
    if position < len(text):
        yield False, text[position:]


def _end(text: str, position: int, closing: str) -> int:
    quoted, depth = False, 0
    while position < len(text):
        mark = text[position]
        if mark == "'":
            quoted = not quoted
        elif not quoted:
            if depth == 0 and text.startswith(closing, position):
                return position
            if closing == "]" and mark in "[]":
                depth += 1 if mark == "[" else -1
        position += 1
    return -1


def substitute(
    text: str,
    opening: str,
    closing: str,
    evaluate: Callable[[str], Any],
    to_text: Callable[[Any], str],
    where: str | None = None,
) -> Any:
    """The text with its expressions replaced; the bare value where the whole text is one expression."""
    parts = list(pieces(text, opening, closing, where))
    if len(parts) == 1 and parts[0][0]:
        return evaluate(parts[0][1])
    if len([part for part in parts if part[0] or part[1].strip()]) == 1 and any(part[0] for part in parts):
        return evaluate(next(content for is_expression, content in parts if is_expression))
    return "".join(to_text(evaluate(content)) if is_expression else content for is_expression, content in parts)
