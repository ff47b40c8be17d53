"""Where a model comes from: revision, lock, code, interpreter."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from registry.digests import combine, file_digest

ROOT = Path(__file__).resolve().parents[1]
"""The project that this code belongs to: its checkout, or the copy of it that a step runs from."""


def python_minor() -> str:
    """Such as ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def code_digest(root: Path = ROOT, folders: tuple[str, ...] = ("model", "score")) -> str:
    """Digest of some Python files, and of those below some folders."""
    found = (root / name for name in folders)
    files = (item for name in found for item in ([name] if name.is_file() else name.rglob("*.py")) if item.is_file())
    return combine({item.relative_to(root).as_posix(): file_digest(item) for item in files})


def lock_file(root: Path = ROOT) -> Path:
    """The locked scoring requirements of this interpreter's minor version; may be missing."""
    return root / "requirements" / "locks" / f"score-{python_minor()}.txt"


def lock_digest(root: Path = ROOT) -> str | None:
    """``sha256:<hex>`` of :func:`lock_file`, or ``None`` when there is none."""
    path = lock_file(root)
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else None


def git(root: Path = ROOT) -> tuple[str | None, bool | None]:
    """Revision of the checkout and whether tracked files were changed since; ``None`` where there is no git."""
    try:
        revision = _git(root, "rev-parse", "HEAD")
        return revision, bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
