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
from rehearse.readings import Registered, Served, readings
from rehearse.run.results import FAILED, GOOD, SKIPPED, RunResult

STAGES = ("qa", "production")
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "azure": {"qa": ("aci",), "production": ("aks",)},
    "local": {"qa": ("process", "docker"), "production": ("process", "docker")},
}
CANARY = 10
"""Percent, the default of the pipelines."""
ROW = [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]


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
        self.cloud, self.state = cloud, readings(cloud)
        self.production = ""
        """The model version that production must serve."""

    @_told
    def released(self, results: list[RunResult]) -> None:
        """A build registered a model and it was released: registry, promotion log, both services, their answers."""
        found = self._registered(results[0])
        _released_jobs(results)
        for stage in STAGES:
            self._serves(stage, found)
        self.production = found.model

    @_told
    def kept(self, results: list[RunResult]) -> None:
        """Nothing better was found: nothing registered, offered or released, and production serves what it served."""
        run = results[0]
        must(self.state.registered(run.id) is None, f"{run.pipeline} {run.id} registered a model that is not better")
        must("model" not in run.artifacts, f"{run.pipeline} {run.id} offers a model although production was kept")
        must(len(results) == 1, "a release was triggered although production was kept")
        release = run.stages.get("Release")
        must(release is None or release.state == SKIPPED, "a release ran although production was kept")
        self._serves("production", self.state.version(self.production))

    @_told
    def canary(self, run: RunResult) -> None:
        """The step that released to production has ended: the new version had its share, and has everything now."""
        served = self.state.service("production")
        (new,) = served.shares
        must(new != self.production, f"production serves {new} still, after a release")
        name, version = _split(new)
        named = self.state.alias(name, "production")
        must(str(named.version) == version, f"alias production names {name}:{named.version}, not {new}")
        must(f"canary with {CANARY} percent" in named.why, f"{new} was released without a canary: {named.why}")
        if self.cloud.backend == "azure":
            _canary_traffic(self.state.traffic())

    @_told
    def rolled_back(self, results: list[RunResult]) -> None:
        """A smoke test failed after a deployment: the run is red, and the version before serves again."""
        run = results[-1]
        must(run.state == FAILED, f"{run.pipeline} {run.id} is {run.state} although a smoke test failed")
        jobs = {name: job.state for stage in run.stages.values() for name, job in stage.jobs.items()}
        must(jobs["Smoke_Production"] == FAILED, f"the smoke test of production is {jobs['Smoke_Production']}")
        must(jobs["Rollback_Production"] in GOOD, f"the rollback of production is {jobs['Rollback_Production']}")
        newest = self._registered(results[0])
        must(newest.model != self.production, "no new version was registered")
        self._serves("qa", newest)
        self._serves("production", self.state.version(self.production))

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

    @_told
    def monitored(self, results: list[RunResult], folder: Path, shifted: str) -> None:
        """The monitor published its page; it is red, and names the feature, when one has shifted."""
        run = results[0]
        wanted = (FAILED,) if shifted else GOOD
        must(run.state in wanted, f"{run.pipeline} {run.id} is {run.state}")
        page = folder / "runs" / f"{run.pipeline}-{run.id}" / "artifacts" / "monitoring" / "index.html"
        must(page.is_file(), f"{run.pipeline} {run.id} published no page")
        says = f"Shifted: {shifted}" if shifted else "Nothing has shifted"
        text = page.read_text(encoding="utf-8")
        must(says in text and self.production in text, f"{run.pipeline} {run.id} does not say: {says}")

    # ---- readings ------------------------------------------------------------------------------------------------
    def _registered(self, run: RunResult) -> Registered:
        found = self.state.registered(run.id)
        if found is None:
            raise Wrong(f"{run.pipeline} {run.id} registered no model")
        return found

    def _serves(self, stage: str, wanted: Registered) -> None:
        """The stage's alias, its service and an answer of it all name `wanted`."""
        name, version = _split(wanted.model)
        named = self.state.alias(name, stage)
        must(str(named.version) == version, f"alias {stage} names {name}:{named.version}, not {wanted.model}")
        served = self.state.service(stage)
        must(served.target in TARGETS[self.cloud.backend][stage], f"{served.name} runs on {served.target}")
        must(served.shares == {wanted.model: 100}, f"{served.name} serves {served.shares}, not {wanted.model} alone")
        answer, header = self._ask(served)
        must(isinstance(answer, list) and len(answer) == 1, f"{served.name} answers {answer!r:.80} to one row")
        must(header == wanted.digest, f"{served.name} answers with the model {header}, not {wanted.digest}")

    def _ask(self, service: Served) -> tuple[Any, str | None]:
        """One request from outside of the kit, with the service's key."""
        body = json.dumps({"data": [ROW]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {service.key}"}
        request = urllib.request.Request(service.uri, body, headers)  # noqa: S310
        try:
            with self.cloud.opener().open(request, timeout=30) as response:
                answer = json.loads(response.read())
                return answer.get("result", answer) if isinstance(answer, dict) else answer, response.headers.get(
                    "x-model-digest"
                )
        except (urllib.error.URLError, ValueError) as error:
            raise Wrong(f"{service.name} at {service.uri} does not answer: {error}") from None


def _split(model: str) -> tuple[str, str]:
    name, _, version = model.partition(":")
    return name, version


def _canary_traffic(moves: list[dict[str, int]]) -> None:
    """Shares as they were sent to AKS: a tenth for the new version and the rest for the old one, then everything."""
    for position, shares in enumerate(moves):
        new = [name for name, share in shares.items() if share == CANARY]
        if new and sorted(share for share in shares.values() if share) == sorted((CANARY, 100 - CANARY)):
            last = moves[-1]
            must(position < len(moves) - 1 and last[new[0]] == 100, f"the canary did not get everything: {moves}")
            must(sum(last.values()) == 100, f"the old version has traffic still: {moves}")
            return
    raise Wrong(f"the canary never had {CANARY} percent: {moves}")


def _released_jobs(results: list[RunResult]) -> None:
    """The release ran to its end: as a run that was triggered (Azure) or as a stage of the same run (GitHub)."""
    last = results[-1]
    states = {name: job.state for stage in last.stages.values() for name, job in stage.jobs.items()}
    for name in ("Package", "Deploy_QA", "Smoke_QA", "Deploy_Production", "Smoke_Production"):
        must(name in states, f"{results[0].pipeline} did not lead to a release: there is no job {name}")
        must(states[name] in GOOD, f"the job {name} is {states[name]}")
    for name in ("Rollback_QA", "Rollback_Production"):
        must(states[name] == SKIPPED, f"the job {name} is {states[name]} although nothing failed")
