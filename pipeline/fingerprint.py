"""Leaving out a step whose result cannot differ: what that is judged by."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import metadata
from pathlib import Path

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.graph import Step
from pipeline.results import RESULT
from registry.digests import file_digest


def fingerprint(step: Step, config: PipelineConfig, inputs: dict[str, Path], root: Path) -> str:
    """What the result of a reusable step depends on: settings, results before it, code, packages, interpreter."""
    document = {
        "step": step.name,
        "settings": step.settings(config),
        "inputs": {name: file_digest(folder / RESULT) for name, folder in inputs.items()},
        "code": provenance.code_digest(root, ("model", "pipeline", "registry", "score")),
        "lock": provenance.lock_digest(root),
        "installed": installed(provenance.lock_file(root)),
        "python": provenance.python_minor(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def installed(lock: Path) -> dict[str, str]:
    """The versions that are here of the packages that a lock pins: what runs need not be what is locked."""
    if not lock.is_file():
        return {}
    names = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", lock.read_text(encoding="utf-8"), re.MULTILINE)
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found
