"""What is installed beside an interpreter. Also a program that prints it, for an interpreter that is not ours.

Uses the standard library only and imports nothing of this package: it is run by path.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from typing import Any


def normalized(name: str) -> str:
    """Return the name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def inventory() -> dict[str, dict[str, Any]]:
    """Return, by normalized name, version, requirements and top-level modules of each installed distribution."""
    found: dict[str, dict[str, Any]] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name and normalized(name) not in found:  # the first on the path is the one that is imported
            found[normalized(name)] = {
                "version": distribution.version,
                "requires": distribution.requires or [],
                "modules": _modules(distribution),
            }
    return found


def _modules(distribution: importlib.metadata.Distribution) -> list[str]:
    said = distribution.read_text("top_level.txt")
    if said is not None:
        return sorted(set(said.split()))
    names = set()
    for file in distribution.files or ():
        top = file.parts[0]
        if len(file.parts) > 1 or file.suffix in (".py", ".so", ".pyd"):
            names.add(top if len(file.parts) > 1 else top.partition(".")[0])
    return sorted(name for name in names if name.isidentifier() and name != "__pycache__")


if __name__ == "__main__":
    json.dump(inventory(), sys.stdout)
