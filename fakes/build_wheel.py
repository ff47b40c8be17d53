"""Puts this folder into the wheel as the package ``fakes``, and the scoring host beside it as ``fakes/_score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SUFFIXES = {".py", ".json", ".html", ".css", ".js", ".svg", ".yaml", ".yml", ".sh", ".txt"}
_LEFT_OUT = {"build_wheel.py", "compose.yaml"}


class WheelHook(BuildHookInterface[Any]):
    """Adds files from outside the project folder, which hatchling's own selection cannot."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """List the files."""
        here = Path(self.root)
        include = build_data["force_include"]
        for folder, target in ((here, "fakes"), (here.parent / "score", "fakes/_score")):
            for path in sorted(folder.rglob("*")):
                inside = path.relative_to(folder)
                hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
                if path.is_file() and path.suffix in _SUFFIXES and not hidden and inside.name not in _LEFT_OUT:
                    include[str(path)] = f"{target}/{inside.as_posix()}"
