"""YAML with places: every mapping and every scalar remembers the file and line that it came from.

Scalars stay text, as both services read them: what ``on``, ``yes`` or ``1.10`` mean is for the reader of the key to
say, and YAML 1.1's idea of them (``on`` is true) is wrong for both kinds of file.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rehearse.errors import PipelineError


class Text(str):
    """A scalar with its place in a file, and the comment behind it on its line."""

    where: str | None
    comment: str

    def __new__(cls, value: str, where: str | None = None, comment: str = "") -> Text:
        text = super().__new__(cls, value)
        text.where, text.comment = where, comment
        return text


class Node(dict[str, Any]):
    """A mapping with its place in a file."""

    where: str | None = None


def where(value: Any) -> str | None:
    """The ``file:line`` of `value`, or of the first thing in it that has one."""
    place: str | None = getattr(value, "where", None)
    if place is None and isinstance(value, list) and value:
        return where(value[0])
    return place


class _Loader(yaml.SafeLoader):
    """Built on the safe loader: no tag of YAML can construct an object."""

    shown: str
    lines: list[str]


def _place(loader: _Loader, node: yaml.Node) -> str:
    return f"{loader.shown}:{node.start_mark.line + 1}"


def _scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:
    if node.style is None and node.value in ("", "~", "null"):
        return None
    line = loader.lines[node.end_mark.line] if node.end_mark.line < len(loader.lines) else ""
    comment = re.match(r"\s+#\s*(.*?)\s*$", line[node.end_mark.column :])
    return Text(node.value, _place(loader, node), comment[1] if comment else "")


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Node:
    loader.flatten_mapping(node)
    result = Node()
    result.where = _place(loader, node)
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise PipelineError("a key must be plain text", where=_place(loader, key_node))
        key = Text(key_node.value, _place(loader, key_node))
        # Azure allows the same `${{ if }}` or `${{ each }}` line twice in one mapping; any other key only once.
        while key in result:
            if not key.strip().startswith("${{"):
                raise PipelineError(f"the key {str(key)!r} occurs twice", where=key.where)
            key = Text(key + " ", key.where)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(child, deep=True) for child in node.value]


_Loader.yaml_implicit_resolvers = {}
_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:seq", _sequence)


def load(path: Path, root: Path) -> Node:
    """Read one pipeline file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    root : pathlib.Path
        Folder that places are shown relative to (the repository).

    Raises
    ------
    PipelineError
        The file is missing, not YAML, or not a mapping.
    """
    shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PipelineError(f"there is no file {shown}", where=shown) from None
    return loads(text, shown)


def loads(text: str, shown: str) -> Node:
    """Read a pipeline from text; `shown` is the name that errors give it."""
    copy: Node = _copied(_parsed(text, shown))
    return copy


@lru_cache(maxsize=128)  # a pipeline includes the same few templates dozens of times
def _parsed(text: str, shown: str) -> Node:
    loader = _Loader(text)
    loader.shown, loader.lines = shown, text.splitlines()
    try:
        data = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise PipelineError(f"not YAML: {problem}", where=f"{shown}{line}") from None
    finally:
        loader.dispose()
    if not isinstance(data, Node):
        raise PipelineError("the file must hold a mapping", where=shown)
    return data


def _copied(value: Any) -> Any:
    """A tree of one's own; scalars never change."""
    if isinstance(value, Node):
        node = Node((key, _copied(item)) for key, item in value.items())
        node.where = value.where
        return node
    return [_copied(item) for item in value] if isinstance(value, list) else value
