"""Where the earlier result of a step lies that need not run again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.documents import Document
from pipeline.errors import PipelineError
from registry.digests import tree_digest


@dataclass(frozen=True)
class Earlier(Document):
    """A completed step whose output may be used again."""

    run_id: str
    """The step's run."""
    pipeline_run: str
    output: str
    digest: str
    """Of the output folder: a changed or damaged one is not used."""


class ReuseIndex:
    """Fingerprint to earlier output."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str) -> Earlier | None:
        """The earlier output, if it is still as it was."""
        try:
            earlier = Earlier.read(self.root / f"{key}.json")
        except PipelineError:  # none, or one that says nothing: what it stood for is done again
            return None
        output = Path(earlier.output)
        return earlier if output.is_dir() and tree_digest(output) == earlier.digest else None

    def add(self, key: str, earlier: Earlier) -> None:
        """Remember an output."""
        earlier.write(self.root / f"{key}.json")
