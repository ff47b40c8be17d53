"""The files by which a step of a workflow talks to its runner."""

from __future__ import annotations

from pathlib import Path

from rehearse.errors import ExpressionError


def assignments(file: Path, place: str | None) -> dict[str, str]:
    """What a step wrote to ``GITHUB_OUTPUT`` or ``GITHUB_ENV``: ``name=value`` lines and ``name<<END`` blocks."""
    values: dict[str, str] = {}
    lines = iter(file.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if not line.strip():
            continue
        name, mark, rest = line.partition("=")
        block, heredoc, end = line.partition("<<")
        if heredoc and (not mark or len(block) < len(name)):
            content: list[str] = []
            for inner in lines:
                if inner == end:
                    break
                content.append(inner)
            values[block] = "\n".join(content)
        elif mark:
            values[name] = rest
        else:
            raise ExpressionError(f"{line!r} in {file.name} is no NAME=VALUE", where=place)
    return values
