"""Hash-locked requirements, as far as packaging has to read them."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.errors import PackageRefused

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)\s*(?:;\s*([^\\]*?))?\s*\\?$", re.MULTILINE)


def pins(lock: Path) -> dict[str, str]:
    """Version by normalized project name.

    Raises
    ------
    deploy.errors.PackageRefused
        The lock is missing, empty or not a lock.
    """
    if not lock.is_file():
        raise PackageRefused(f"there is no lock at {lock}", hint="make lock compiles the locked requirements")
    text = lock.read_text(encoding="utf-8")
    found = {normalized(name): version for name, version, _ in _PIN.findall(text)}
    if not found or "--hash=sha256:" not in text:
        raise PackageRefused(f"{lock} is no hash-locked requirements file", hint="make lock compiles it again")
    return found


def normalized(name: str) -> str:
    """A project's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
