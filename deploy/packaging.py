"""Will this model work in its image? Found out before anything is built.

Loading runs the model's own code, so it happens in a child process, which has the image's files and the lock's packages
and nothing else of this machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy import host, locks
from deploy.content import assemble
from deploy.errors import PackageRefused
from deploy.images import PackageRequest, Progress
from deploy.local.files import tail
from deploy.local.programs import host_environment
from deploy.smoke import read_golden

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
_MISSING = re.compile(r"No module named '([^']+)'")


def python_of(request: PackageRequest) -> str:
    """The Python minor version that the model was made with, such as ``3.11``; this one's if it does not say."""
    made = manifest_of(request.artifact).get("python") or request.model.lineage.python or HERE
    return str(made)


def manifest_of(artifact: Path) -> dict[str, Any]:
    """The manifest of a model folder; empty if it has none. Raises ``PackageRefused`` if it is damaged."""
    path = artifact / "manifest.json"
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackageRefused(f"manifest.json of {artifact.name} is damaged: {error}") from error
    if not isinstance(document, dict):
        raise PackageRefused(f"manifest.json of {artifact.name} is damaged: no JSON object")
    return document


def check_lock(request: PackageRequest) -> dict[str, str]:
    """Compare the lock with what the model was made with; the lock's pins.

    Raises
    ------
    deploy.errors.PackageRefused
        It names each library with both versions.
    """
    pinned = locks.pins(request.lock)
    wrong = [
        f"{name} {version} (the lock has {pinned.get(locks.normalized(name), 'none')})"
        for name, version in sorted((manifest_of(request.artifact).get("libraries") or {}).items())
        if pinned.get(locks.normalized(name)) != version
    ]
    if wrong:
        raise PackageRefused(
            f"{request.model.reference} was made with {', '.join(wrong)}",
            hint=f"train it again with {request.lock.name}, or package it with the lock that it was trained with",
        )
    return pinned


def check_loads(request: PackageRequest, *, timeout: float = 120.0, progress: Progress | None = None) -> None:
    """Start the scoring host on the model in a clean child until it is ready, which includes the golden prediction.

    Raises
    ------
    deploy.errors.PackageRefused
        It does not load: the message names the missing module, or gives the host's own words.
    """
    read_golden(request.artifact)
    check_lock(request)
    made = python_of(request)
    if made != HERE:
        raise PackageRefused(
            f"{request.model.reference} was made with Python {made}, and this is {HERE}: it cannot be checked here",
            hint=f"run this with Python {made}, or train the model again",
        )
    if progress:
        progress(f"loading {request.model.reference} in a clean child process")
    with tempfile.TemporaryDirectory(prefix="mlops-check-") as name:
        folder = Path(name)
        assemble(request, folder)
        host.restrict(folder, request.lock)
        _run(request, folder, timeout)


def _run(request: PackageRequest, folder: Path, timeout: float) -> None:
    said, log = folder / "said", folder / "log"
    command = host.command(folder, request.entry_script.as_posix())
    with said.open("wb") as out, log.open("wb") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder / "app", env=host_environment({}))
    try:
        deadline = time.monotonic() + timeout
        while host.ready(said) is None:
            if child.poll() is not None:
                raise _refusal(request, log, child.returncode)
            if time.monotonic() > deadline:
                raise PackageRefused(f"{request.model.reference} does not load within {timeout:g} s")
            time.sleep(0.02)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _refusal(request: PackageRequest, log: Path, code: int) -> PackageRefused:
    text = tail(log, 200)
    missing = _MISSING.search(text)
    if missing:
        module = missing.group(1)
        return PackageRefused(
            f"{request.model.reference} needs the module {module!r}, which its image would not have",
            hint=f"is it code of the project? add its folder to model.code in mlops.toml; a library? add it to "
            f"requirements/score.in and run make lock ({request.lock.name} does not have it)",
        )
    return PackageRefused(f"{request.model.reference} does not load (exit code {code}): {_cause(text)}")


def _cause(text: str) -> str:
    """The message of the last error in the host's log."""
    for line in reversed(text.splitlines()):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and document.get("level") == "error" and document.get("message"):
            return str(document["message"])
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
