"""Start the scoring host: ``python -m score --entry-script ... --model-dir ...`` or ``python path/to/score ...``.

The host's own code is loaded under a private name, and the names and path entries that starting this program brought
along are taken away again: in the host, ``import score``, ``import model`` and the like find the user's modules.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

HOST = "_scoring_host"


def load_host() -> Any:
    """Import ``score/_host`` as the top-level package ``_scoring_host``."""
    if HOST in sys.modules:
        return sys.modules[HOST]
    folder = Path(__file__).resolve().parent / "_host"
    spec = importlib.util.spec_from_file_location(
        HOST, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[HOST] = module
    spec.loader.exec_module(module)
    return module


def free_names() -> None:
    """Take away what ``python -m score`` (or ``python path/to/score``) put into ``sys.modules`` and ``sys.path``."""
    here = Path(__file__).resolve().parent
    for name in [name for name in sys.modules if name == "score" or name.startswith("score.")]:
        del sys.modules[name]
    added = {here, Path.cwd()}
    if sys.path and not getattr(sys.flags, "safe_path", False) and Path(sys.path[0] or ".").resolve() in added:
        del sys.path[0]


def main() -> int:
    """Run the command line; returns the exit status."""
    free_names()
    load_host()
    cli = importlib.import_module(f"{HOST}.cli")
    status: int = cli.main(sys.argv[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
