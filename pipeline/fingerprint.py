"""Leaving out a step whose result cannot differ: what that is judged by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.graph import Step
from pipeline.results import RESULT
from registry.digests import file_digest


def fingerprint(step: Step, config: PipelineConfig, inputs: dict[str, Path], root: Path) -> str:
    """What the result of a reusable step depends on: settings, results of the steps before, code, lock, interpreter."""
    document = {
        "step": step.name,
        "settings": step.settings(config),
        "inputs": {name: file_digest(folder / RESULT) for name, folder in inputs.items()},
        "code": provenance.code_digest(root, ("model", "pipeline", "registry", "score")),
        "lock": provenance.lock_digest(root),
        "python": provenance.python_minor(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
