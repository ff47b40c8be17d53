"""Loading a model in a child process, so that its code runs there and not here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from model.errors import ArtifactUnreadable, Incompatible
from model.metrics import Scores

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Loaded:
    """What the child found."""

    scores: Scores | None
    """``None`` when no rows were given."""
    notes: tuple[str, ...]
    """How this interpreter differs from the one that made the model."""


def score(folder: Path, data: Path | None = None, *, strict: bool = False, timeout: float = 600.0) -> Loaded:
    """Load the model in `folder` (its digest verified before), reproduce its golden prediction, measure it on `data`.

    Raises
    ------
    model.errors.ArtifactUnreadable
        It does not load, does not reproduce its golden prediction, takes longer than `timeout` seconds, or the child
        died; the message holds the cause.
    """
    command = [sys.executable, "-m", "model.score_holdout", "--model", str(folder.resolve())]
    if data is not None:
        command += ["--data", str(data.resolve())]
    if strict:
        command.append("--strict")
    try:
        child = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise ArtifactUnreadable(f"the model in {folder} did not load and score within {timeout:g} s") from None
    try:
        document = json.loads(child.stdout.decode().strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = (child.stderr.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
        raise ArtifactUnreadable(
            f"the process that loaded the model in {folder} ended with code {child.returncode}: {last[:300]}"
        ) from None
    if "error" in document:
        kind = Incompatible if document.get("kind") == "Incompatible" else ArtifactUnreadable
        raise kind(document["error"], hint=document.get("hint"))
    scores = Scores(document["metrics"], document["definition"]) if "metrics" in document else None
    return Loaded(scores, tuple(document["notes"]))


def _environment() -> dict[str, str]:
    # The model's code must not find credentials that its environment happens to hold.
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    return {name: value for name, value in os.environ.items() if name in keep or name.startswith(("OMP_", "OPENBLAS_"))}
