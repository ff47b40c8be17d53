"""Which operations a live suite compared with a real workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("verified_live.json")


def verified_live() -> dict[str, dict[str, Any]]:
    """Return, by operation, the date and SDK version of the comparison; empty until a live suite wrote the file."""
    if not FILE.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found
