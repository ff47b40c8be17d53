"""Runs a host program that does not find some of the installed modules.

``python guard.py HIDDEN.json PROGRAM ARGUMENTS...``; the file has the top-level ``modules``, and the ``setting`` that
switches this off. Uses the standard library only: it is run by path, in the interpreter of the host.
"""

from __future__ import annotations

import json
import runpy
import site
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


def hide(names: frozenset[str], folders: tuple[str, ...], setting: str) -> None:
    """Let the import system overlook top-level modules in `folders`; modules of the same name elsewhere are found.

    They are not found, rather than refused: a library that looks for an optional one goes on without it, as it does in
    an image that does not have it.
    """
    told: set[str] = set()

    class Overlooking(PathFinder):
        """The usual finder but for what it overlooks."""

        @classmethod
        def find_spec(
            cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            """Find a module."""
            found = super().find_spec(fullname, path, target)
            if found is None or path is not None or fullname not in names:
                return found
            places = [found.origin or "", *(found.submodule_search_locations or [])]
            if not any(place.startswith(folders) for place in places):
                return found
            if fullname not in told:
                told.add(fullname)
                print(
                    f"fakes: the module {fullname} is installed here, but no package that the environment declares "
                    f"brings it: it is not found, as in Azure. Declare it, or set {setting}.",
                    file=sys.stderr,
                    flush=True,
                )
            return None

    sys.meta_path[:] = [Overlooking if finder is PathFinder else finder for finder in sys.meta_path]


def main(argv: list[str]) -> None:
    """Hide the modules and become the program."""
    hidden, program = argv[1], argv[2]
    # This file's own folder was put there: entry scripts must not import what is in it.
    if Path(program).is_dir():
        del sys.path[0]  # runpy puts the folder there
    else:
        sys.path[0] = str(Path(program).resolve().parent)
    told = json.loads(Path(hidden).read_text(encoding="utf-8"))
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    hide(frozenset(told["modules"]), tuple(str(Path(folder)) + "/" for folder in folders), told["setting"])
    sys.argv[:] = argv[2:]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv)
