"""How the scoring host is started on what :func:`deploy.content.assemble` has laid out."""

from __future__ import annotations

import json
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any

from deploy import locks
from deploy.errors import PackageRefused
from deploy.local.files import write_json

ALLOWED = "allowed.json"


def restrict(folder: Path, lock: Path) -> None:
    """From now on the host in `folder` sees the packages of `lock` and no others that are installed here.

    Raises
    ------
    deploy.errors.PackageRefused
        The lock is damaged, or this environment has another version of one of its packages.
    """
    write_json(folder / ALLOWED, allowed(locks.pins(lock)))


def command(folder: Path, entry_script: str, *further: str) -> list[str]:
    """The command line: this Python, the host by its path, any free port of loopback."""
    host = folder / "host" / "score"
    if (folder / ALLOWED).is_file():
        clean = Path(__file__).with_name("clean_child.py")
        start = [sys.executable, "-I", "-S", str(clean), str(folder / ALLOWED), str(host / "__main__.py")]
    else:
        start = [sys.executable, str(host)]
    app, model = folder / "app", folder / "model"
    where = ["--entry-script", str(app / entry_script), "--model-dir", str(model), "--root", str(app)]
    return [*start, *where, "--host", "127.0.0.1", "--port", "0", *further]


def ready(said: Path) -> dict[str, Any] | None:
    """The line that the host prints when it is ready; ``None`` before."""
    try:
        line, newline, _ = said.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if not newline:
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("event") == "ready" else None


def allowed(pinned: dict[str, str]) -> dict[str, list[str]]:
    """Where packages lie here, and the top-level names that the lock's distributions bring."""
    paths = list(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))
    names: set[str] = set()
    for distribution in metadata.distributions(path=paths):
        name = distribution.metadata["Name"]
        version = pinned.get(locks.normalized(name))
        if version is None:
            continue
        if distribution.version != version:
            raise PackageRefused(
                f"this environment has {name} {distribution.version}, the lock has {version}",
                hint="make install brings the environment to the lock",
            )
        for file in distribution.files or []:
            first = file.parts[0]
            names.add(first.split(".")[0] if len(file.parts) == 1 else first)
    return {"paths": paths, "names": sorted(names)}
