"""What was loaded: its digest, whether it fits this environment, whether it still answers as it did."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import platform
import sys
from pathlib import Path
from typing import Any

from . import log
from .errors import ArtifactError

SCHEMA_VERSION = 1


def artifact_folder(model_dir: Path) -> Path:
    """The folder below `model_dir` that holds ``manifest.json``; `model_dir` itself when there is none or several."""
    if (model_dir / "manifest.json").is_file():
        return model_dir
    found = sorted(model_dir.glob("*/manifest.json"))
    if not found:
        found = sorted(model_dir.glob("*/*/manifest.json"))  # AZUREML_MODEL_DIR/<model>/<version>/...
    return found[0].parent if len(found) == 1 else model_dir


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tree_digest(folder: Path) -> str:
    """``sha256:`` and the SHA-256 over the lines ``<hex>  <path>\\n`` of all files, sorted by path."""
    files = {item.relative_to(folder).as_posix(): file_digest(item) for item in folder.rglob("*") if item.is_file()}
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the artifact. Raises :class:`ArtifactError`."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}", "package the model again") from None
    if not isinstance(document, dict):
        raise ArtifactError(f"{path} must hold a JSON object", "package the model again")
    return document


def check_manifest(folder: Path) -> dict[str, Any]:
    """Refuse an artifact that was made for another Python or other library versions.

    Returns
    -------
    dict
        The manifest; empty when the artifact has none (an Azure model without one is served as it is).

    Raises
    ------
    ArtifactError
        It names both versions.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        return {}
    manifest = read_json(path)
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema_version {manifest.get('schema_version')!r}, this host reads {SCHEMA_VERSION}",
            "use the host that belongs to the kit which made the model",
        )
    wrong = []
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    made = manifest.get("python")
    if made and made != here:
        wrong.append(f"Python {made} (here {here})")
    libraries = manifest.get("libraries") or {}
    for name, version in sorted(libraries.items()):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "not installed"
        if installed != version:
            wrong.append(f"{name} {version} (here {installed})")
    if wrong:
        raise ArtifactError(
            "the model was made with " + ", ".join(wrong),
            "serve it in an environment made from the lock that it was trained with, or train it again",
        )
    machine = f"{sys.platform}-{platform.machine()}"
    if manifest.get("platform") not in (None, machine):
        log.line("warning", "platform_differs", model=manifest["platform"], host=machine)
    return manifest


def differences(expected: Any, actual: Any, rtol: float, where: str = "response") -> str:
    """Say where two JSON values first differ; empty when they agree (numbers within `rtol`, relative)."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if expected.keys() != actual.keys():
            return f"{where}: keys {sorted(expected)} became {sorted(actual)}"
        pairs: list[tuple[str, Any, Any]] = [(f"{where}.{key}", expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{where}: {len(expected)} items became {len(actual)}"
        pairs = [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(expected, actual, strict=True))]
    elif _number(expected) and _number(actual):
        same = math.isclose(expected, actual, rel_tol=rtol, abs_tol=rtol * 1e-6)
        return "" if same else f"{where}: {expected!r} became {actual!r}"
    else:
        return "" if expected == actual else f"{where}: {expected!r} became {actual!r}"
    return next((text for item in pairs if (text := differences(item[1], item[2], rtol, item[0]))), "")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
