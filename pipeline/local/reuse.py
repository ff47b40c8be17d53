"""Leaving out a step whose result cannot differ: what that is judged by, and where the earlier result lies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline import provenance
from pipeline.config import PipelineConfig
from pipeline.documents import Document
from pipeline.graph import Step
from pipeline.results import RESULT
from registry.digests import file_digest, tree_digest


@dataclass(frozen=True)
class Earlier(Document):
    """A completed step whose output may be used again."""

    run_id: str
    """The step's run."""
    pipeline_run: str
    output: str
    digest: str
    """Of the output folder: a changed or damaged one is not used."""


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


class ReuseIndex:
    """Fingerprint to earlier output."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str) -> Earlier | None:
        """The earlier output, if it is still as it was."""
        path = self.root / f"{key}.json"
        if not path.is_file():
            return None
        earlier = Earlier.read(path)
        output = Path(earlier.output)
        return earlier if output.is_dir() and tree_digest(output) == earlier.digest else None

    def add(self, key: str, earlier: Earlier) -> None:
        """Remember an output."""
        earlier.write(self.root / f"{key}.json")
