"""Runs the scoring host as an image would: the standard library, the lock's packages, the files given; nothing else.

A program: ``python -I -S clean_child.py ALLOWED.json HOST [arguments of the host]``. ``ALLOWED.json`` holds
``{"paths": [...], "names": [...]}``: where installed packages lie, and the top-level modules that the lock's
distributions bring. A module that lies there but comes from another distribution does not exist for this process.
"""

from __future__ import annotations

import json
import runpy
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


class OnlyLocked:
    """Hides what is installed here but is not in the lock."""

    def __init__(self, paths: list[str], names: list[str]) -> None:
        self.paths = paths
        self.names = {*names, *sys.stdlib_module_names, *sys.builtin_module_names}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Refuse a top-level module of a package that is not in the lock; leave everything else to the others."""
        if path is not None or name in self.names:
            return None
        spec = PathFinder.find_spec(name, [item for item in sys.path if item not in self.paths])
        if spec is None and PathFinder.find_spec(name, self.paths) is not None:
            raise ModuleNotFoundError(f"No module named {name!r} (installed here, but not in the lock)", name=name)
        return None


def main() -> None:
    """Restrict, then become the host."""
    allowed = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    host, arguments = sys.argv[2], sys.argv[3:]
    sys.path.extend(allowed["paths"])
    sys.meta_path.insert(0, OnlyLocked(allowed["paths"], allowed["names"]))
    sys.argv = [host, *arguments]
    runpy.run_path(host, run_name="__main__")


if __name__ == "__main__":
    main()
