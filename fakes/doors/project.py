"""The workspace that a project's own ``config.json`` names: ``Workspace.from_config()`` of its programs asks for it."""

from __future__ import annotations

import json
from pathlib import Path

_NAMES = ("workspace_name", "resource_group", "subscription_id")
# Where the SDK looks, in this order, each from the current directory upwards.
_PLACES = (".azureml/config.json", "aml_config/config.json", "config.json")


def workspace_of(folder: Path) -> tuple[Path, dict[str, str]] | None:
    """Return the file that the SDK would find from `folder`, and the names in it; None when there is no such file."""
    for place in _PLACES:
        for above in (folder, *folder.parents):
            file = above / place
            if file.is_file():
                return _read(file)
    return None


def _read(file: Path) -> tuple[Path, dict[str, str]] | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
        return file, {name: str(document[name]) for name in _NAMES}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # another program's file; the SDK says what it misses in it
