"""One finding of ``mlops doctor``, and the findings that do not depend on the backend."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

SUPPORTED = ((3, 10), (3, 13))
RUNTIME = ("scikit-learn", "numpy", "pandas", "joblib", "flask", "click")


@dataclass(frozen=True)
class Check:
    """One finding.

    ``state`` is ``ok``, ``missing`` (something that the backend needs) or ``note`` (fine, but worth knowing).
    """

    name: str
    state: str
    detail: str
    mend: str = ""


def python_check() -> Check:
    """The interpreter, against the supported range."""
    here = sys.version_info[:2]
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if SUPPORTED[0] <= here <= SUPPORTED[1]:
        return Check("python", "ok", text)
    return Check("python", "missing", f"{text}: supported are 3.10 to 3.13", "make demo PYTHON=python3.11")


def package_checks() -> list[Check]:
    """The runtime packages, each with its version."""
    found = []
    for name in RUNTIME:
        try:
            found.append(Check(name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append(Check(name, "missing", "not installed", "make install"))
    return found


def project_check(project: Path) -> Check:
    """The project folder."""
    if (project / "mlops.toml").is_file():
        return Check("project", "ok", str(project))
    return Check("project", "note", f"no mlops.toml in {project} or above: defaults are used", "mlops init NAME")


def lock_check(project: Path) -> Check:
    """The lock of this Python minor version."""
    name = f"requirements/locks/score-{sys.version_info[0]}.{sys.version_info[1]}.txt"
    if (project / name).is_file():
        return Check("lock", "ok", name)
    return Check("lock", "missing", f"there is no {name}", "make lock")


def folder_check(state: Path) -> Check:
    """Whether the state folder can be written."""
    import os

    folder = state
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK):
        return Check("state", "ok", str(state))
    return Check("state", "missing", f"{state} cannot be written", f"chown or chmod {folder}, or set MLOPS_STATE")
