"""What the steps of a rehearsal must have done, read from the state that they left: exit codes are not enough."""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from rehearse.clouds import Cloud
from rehearse.errors import RehearseError
from rehearse.run.results import FAILED, GOOD, SKIPPED, RunResult

STAGES = ("qa", "production")
ROW = [0.02, -0.044642, 0.01, -0.02, -0.03, -0.03, 0.0, -0.0025, 0.01, 0.02]


class Wrong(Exception):
    """Something is not as it must be."""


def must(holds: bool, message: str) -> None:
    """Raise :class:`Wrong` unless `holds`."""
    if not holds:
        raise Wrong(message)


def _told(check: Callable[..., None]) -> Callable[..., list[str]]:
    """A check that returns what is wrong instead of raising it."""

    @wraps(check)
    def run(*arguments: Any) -> list[str]:
        try:
            check(*arguments)
        except (Wrong, RehearseError) as error:
            return [f"after {check.__name__.replace('_', ' ')}: {error}"]
        return []

    return run


class Outcomes:
    """Checks against one cloud; each returns a list of what is wrong."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.production = ""
        """The model version that production must serve."""

    @_told
    def released(self, results: list[RunResult]) -> None:
        """A build registered a model and it was released: registry, promotion log, both services, their answers."""
        found = self._registered(results[0])
        must(found is not None, f"{results[0].pipeline} {results[0].id} registered no model")
        _released_jobs(results)
        for stage in STAGES:
            self._serves(stage, str(found["model"]), str(found["digest"]))
        self.production = str(found["model"])

    @_told
    def kept(self, results: list[RunResult]) -> None:
        """Nothing better was found: nothing registered, offered or released, and production serves what it served."""
        run = results[0]
        must(self._registered(run) is None, f"{run.pipeline} {run.id} registered a model that is not better")
        must("model" not in run.artifacts, f"{run.pipeline} {run.id} offers a model although production was kept")
        must(len(results) == 1, "a release was triggered although production was kept")
        release = run.stages.get("Release")
        must(release is None or release.state == SKIPPED, "a release ran although production was kept")
        self._serves("production", self.production)

    @_told
    def rolled_back(self, results: list[RunResult]) -> None:
        """A smoke test failed after a deployment: the run is red, and the version before serves again."""
        run = results[-1]
        must(run.state == FAILED, f"{run.pipeline} {run.id} is {run.state} although a smoke test failed")
        jobs = {name: job.state for stage in run.stages.values() for name, job in stage.jobs.items()}
        must(jobs["Smoke_Production"] == FAILED, "the smoke test of production did not fail")
        must(jobs["Rollback_Production"] in GOOD, "the rollback did not succeed")
        newest = self._registered(results[0])
        must(newest is not None and newest["model"] != self.production, "no new version was registered")
        self._serves("production", self.production)

    @_told
    def scored(self, results: list[RunResult], folder: Path, source: Path) -> None:
        """The batch run published a finite score for each row of its input."""
        run = results[0]
        file = folder / "runs" / f"{run.pipeline}-{run.id}" / "artifacts" / "scores" / "scores.csv"
        must(file.is_file(), f"{run.pipeline} {run.id} published no scores")
        with file.open(newline="") as lines, source.open(newline="") as wanted:
            rows, inputs = list(csv.DictReader(lines)), list(csv.DictReader(wanted))
        must(len(rows) == len(inputs), f"{len(rows)} scores for {len(inputs)} rows")
        must(all(abs(float(row["prediction"])) < 1e6 for row in rows), "a score is no finite number")

    # ---- readings ------------------------------------------------------------------------------------------------
    def _registered(self, run: RunResult) -> Any:
        found = self.cloud.mlops("pipeline", "model", "--build-id", run.id)
        return found if found["model"] is not None else None

    def _serves(self, stage: str, model: str, digest: str | None = None) -> None:
        """The stage's alias, its service and an answer of it all name `model`."""
        name, _, version = model.partition(":")
        alias = self.cloud.mlops("models", "show", f"{name}@{stage}")
        must(str(alias["version"]) == version, f"alias {stage} names {name}:{alias['version']}, not {model}")
        services = {item["stage"]: item for item in self.cloud.mlops("services", "list")}
        must(stage in services, f"there is no service of stage {stage}")
        service = services[stage]
        must(service["version"] == model, f"{service['name']} runs {service['version']}, not {model}")
        answer, header = self._ask(service)
        must(isinstance(answer, list) and len(answer) == 1, f"{service['name']} answers {answer!r:.80} to one row")
        wanted = digest or str(alias["digest"])
        must(header == wanted, f"{service['name']} answers with the model {header}, not {wanted}")

    def _ask(self, service: Any) -> tuple[Any, str | None]:
        """One request from outside of the kit, with the service's key."""
        keys = self.cloud.mlops("services", "keys", service["name"])
        body = json.dumps({"data": [ROW]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['primary']}"}
        request = urllib.request.Request(service["uri"], body, headers)  # noqa: S310
        try:
            with self.cloud.opener().open(request, timeout=30) as response:
                answer = json.loads(response.read())
                return answer.get("result", answer) if isinstance(answer, dict) else answer, response.headers.get(
                    "x-model-digest"
                )
        except (urllib.error.URLError, ValueError) as error:
            raise Wrong(f"{service['name']} at {service['uri']} does not answer: {error}") from None


def _released_jobs(results: list[RunResult]) -> None:
    """The release ran to its end: as a run that was triggered (Azure) or as a stage of the same run (GitHub)."""
    last = results[-1]
    states = {name: job.state for stage in last.stages.values() for name, job in stage.jobs.items()}
    for name in ("Package", "Deploy_QA", "Smoke_QA", "Deploy_Production", "Smoke_Production"):
        must(name in states, f"{results[0].pipeline} did not lead to a release: there is no job {name}")
        must(states[name] in GOOD, f"the job {name} is {states[name]}")
    for name in ("Rollback_QA", "Rollback_Production"):
        must(states[name] == SKIPPED, f"the job {name} is {states[name]} although nothing failed")
