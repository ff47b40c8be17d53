"""A model of a file system after a power loss.

A recorded sequence of system calls is replayed up to any point. What was synced is on the disk: a file's bytes after
``fsync`` of the file, the names in a folder after ``fsync`` of the folder. Everything else may be there or not, each
change by itself: a name made, removed or moved, and new bytes of a file (none, zeros, the first half, all). That is
harsher than any journaling file system, which loses the newest changes and keeps their order.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Node:
    """A file or a folder."""

    folder: bool
    data: bytes = b""
    synced: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    """Of a folder: what is on the disk for certain."""
    live: dict[str, Node] = field(default_factory=dict)
    """Of a folder: what processes see."""
    pending: list[tuple[str, Node | None]] = field(default_factory=list)
    """Of a folder: names set (or removed) since the last sync."""


class Disk:
    """Replays calls below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = Node(folder=True)
        self.files: dict[int, tuple[Node, int, bool]] = {}
        if root.exists():
            self._load(root, self.top)
        self.present = root.exists()

    def _load(self, path: Path, node: Node) -> None:
        for item in path.iterdir():
            child = Node(folder=item.is_dir(), data=b"" if item.is_dir() else item.read_bytes())
            child.synced = child.data
            node.names[item.name] = node.live[item.name] = child
            if item.is_dir():
                self._load(item, child)

    def find(self, path: str) -> tuple[Node, str] | None:
        """The folder and the name that `path` means; ``None`` if it is outside."""
        try:
            parts = Path(path).relative_to(self.root).parts
        except ValueError:
            return None
        node = self.top
        for part in parts[:-1]:
            node = node.live[part]
        return node, parts[-1] if parts else ""

    def _set(self, path: str, node: Node | None) -> None:
        found = self.find(path)
        if not found:
            return
        folder, name = found
        if node is None:
            folder.live.pop(name, None)
        else:
            folder.live[name] = node
        folder.pending.append((name, node))

    def node(self, path: str) -> Node | None:
        found = self.find(path)
        if not found:
            return None
        return found[0].live.get(found[1]) if found[1] else self.top

    def apply(self, call: str, arguments: str, result: int) -> bool:
        """Replay one call. Returns whether it changed or synced something here."""
        if result < 0:
            return False
        paths = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(arguments)]
        names = [path.decode(errors="surrogateescape") for path in paths] if call not in ("write", "pwrite64") else []
        number = int(found[0]) if (found := re.match(r"\d+", arguments)) else -1
        if call == "openat":
            return self._open(names[0], arguments, result)
        if call == "close":
            self.files.pop(number, None)
            return False
        if call == "mkdir":
            if names[0] == str(self.root):
                self.present = True
            self._set(names[0], Node(folder=True)) if names[0] != str(self.root) else None
            return self.find(names[0]) is not None
        if call in ("rename", "link"):
            node = self.node(names[0])
            if node is None:
                return False
            self._set(names[1], node)
            if call == "rename":
                self._set(names[0], None)
            return True
        if call == "unlink":
            self._set(names[0], None)
            return self.find(names[0]) is not None
        if number in self.files:
            return self._file(call, arguments, paths, number, result)
        return False

    def _open(self, name: str, arguments: str, result: int) -> bool:
        if self.find(name) is None:
            return False
        node, made = self.node(name), False
        if node is None:
            assert "O_CREAT" in arguments, name
            node, made = Node(folder=False), True
            self._set(name, node)
        self.files[result] = (node, 0, "O_APPEND" in arguments)
        return made

    def _file(self, call: str, arguments: str, paths: list[bytes], number: int, result: int) -> bool:
        node, offset, append = self.files[number]
        if call in ("write", "pwrite64"):
            at = int(arguments.rsplit(",", 1)[1]) if call == "pwrite64" else len(node.data) if append else offset
            data = paths[0][:result]
            assert len(data) == result, "the trace cut the data off"
            node.data = node.data[:at].ljust(at, b"\0") + data + node.data[at + len(data) :]
            if call == "write":
                self.files[number] = (node, at + len(data), append)
            return True
        if call == "lseek":
            self.files[number] = (node, result, append)
        elif call == "read":
            self.files[number] = (node, offset + result, append)
        elif call == "ftruncate":
            size = int(arguments.rsplit(",", 1)[1])
            node.data = node.data[:size].ljust(size, b"\0")
            return True
        elif call in ("fsync", "fdatasync"):
            node.synced = node.data
            for name, child in node.pending:
                if child is None:
                    node.names.pop(name, None)
                else:
                    node.names[name] = child
            node.pending.clear()
            return True
        return False

    # ---- what may be left ---------------------------------------------------------------------------------------
    def losses(self, bound: int, chance: random.Random) -> Iterator[dict[str, bytes | None]]:
        """Trees that a power loss now may leave: bytes by path, ``None`` for a folder. At most `bound` of them."""
        nodes = list(self._all())
        choices: list[list[int]] = []
        for node in nodes:
            choices += [[0, 1]] * len(node.pending)
            choices.append([0] if node.data == node.synced else [0, 1, 2, 3])
        total = 1
        for each in choices:
            total *= len(each)
        if total <= bound:
            picks = itertools.product(*choices)
        else:
            first, last = tuple(each[0] for each in choices), tuple(each[-1] for each in choices)
            more = (tuple(chance.choice(each) for each in choices) for _ in range(bound - 2))
            picks = itertools.chain((first, last), more)
        for pick in picks:
            yield self._tree(nodes, pick)

    def _all(self) -> Iterator[Node]:
        seen: dict[int, Node] = {}
        queue = [self.top]
        while queue:
            node = queue.pop()
            if id(node) not in seen:
                seen[id(node)] = node
                queue += [*node.names.values(), *node.live.values(), *(child for _, child in node.pending if child)]
        yield from seen.values()

    def _tree(self, nodes: list[Node], pick: tuple[int, ...]) -> dict[str, bytes | None]:
        entries: dict[int, dict[str, Node]] = {}
        contents: dict[int, bytes] = {}
        chosen = iter(pick)
        for node in nodes:
            names = dict(node.names)
            for name, child in node.pending:
                if next(chosen):
                    if child is None:
                        names.pop(name, None)
                    else:
                        names[name] = child
            entries[id(node)] = names
            kept = _common(node.synced, node.data)
            more = len(node.data) - kept
            kinds = [node.synced, node.data[:kept] + b"\0" * more, node.data[: kept + more // 2], node.data]
            contents[id(node)] = kinds[next(chosen)]
        tree: dict[str, bytes | None] = {}
        queue = [("", self.top)]
        while queue:
            path, node = queue.pop()
            if node.folder:
                tree[path] = None
                queue += [(f"{path}/{name}".lstrip("/"), child) for name, child in entries[id(node)].items()]
            else:
                tree[path] = contents[id(node)]
        return tree


def _common(a: bytes, b: bytes) -> int:
    """How many bytes are equal from the beginning."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def read_trace(text: str) -> list[tuple[str, str, int]]:
    """Calls of an strace output (``-xx``): name, arguments, result."""
    return [(m[1], m[2], int(m[3])) for line in text.splitlines() if (m := _CALL.match(line))]


def write_tree(tree: dict[str, bytes | None], root: Path) -> None:
    """Make a tree of :meth:`Disk.losses` on the real disk."""
    for path in sorted(tree):
        data = tree[path]
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)
