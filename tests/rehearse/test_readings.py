"""What a rehearsal reads of the fake is what happened there; and what it says when something is wrong."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rehearse.clouds import Cloud
from rehearse.errors import RehearseError
from rehearse.outcomes import Outcomes
from rehearse.readings import FakeReadings, Named, Readings, Registered, Served
from rehearse.run.results import FAILED, SKIPPED, SUCCEEDED, JobResult, RunResult, StageResult


class Look(Cloud):
    """A fake in this process, asked as the server is."""

    def __init__(self, fake: Any) -> None:
        super().__init__("azure", Path(), Path(sys.prefix))
        self._state = fake.state

    def fake(self, path: str) -> Any:
        if path == "/state":
            return self._state.export()
        return {"requests": [asdict(entry) for entry in self._state.requests.entries(None, path.rpartition("=")[2])]}


@pytest.mark.azure
@pytest.mark.slow
def test_the_state_of_the_fake(tmp_path: Path) -> None:
    import fakes
    from deploy import canary
    from deploy.azure.services import AzureServices
    from registry.azure.models import AzureModelRegistry
    from tests.contract.canary import PROBES
    from tests.deploy.test_azure_faults import workspace
    from tests.deploy.test_azure_releases import services
    from tests.deploy.test_azure_services import LINEAGE, AzureProject

    with fakes.mock_azure() as fake:
        sdk = workspace.__wrapped__(fake)  # type: ignore[attr-defined]
        registry = AzureModelRegistry(sdk)
        project = AzureProject(
            tmp_path / "project",
            lambda name, folder: registry.register(name, folder, lineage=LINEAGE, tags={"build_id": "41"}),
        )
        aks: AzureServices = services.__wrapped__(sdk)  # type: ignore[attr-defined]
        look = FakeReadings(Look(fake))
        with pytest.raises(RehearseError, match="no service of stage qa"):
            look.service("qa")
        first, second = project.request(3.0), project.request(3.3)
        aks.deploy(first)
        rule = canary.Rule(requests=3, max_latency_ratio=1000.0)
        canary.release(aks, second, percent=10, probes=PROBES, rule=rule)
        registry.set_alias("line", "qa", 1, who="t", why="first")
        registry.set_alias("line", "qa", 2, who="t", why="second")

        model = second.package.model
        assert look.registered("40") is None
        assert look.version("line:2") == Registered("line:2", model.digest)
        assert look.alias("line", "qa") == Named(2, "second")
        served, known = look.service("qa"), aks.get("line-qa")
        assert (served.name, served.target, served.uri) == ("line-qa", "aks", known.uri)
        assert (served.key, served.shares) == (aks.keys("line-qa").primary, {"line:2": 100})
        assert look.traffic() == [
            {"v1-r1": 90},
            {"v1-r1": 90, "v2-r1": 10},
            {"v1-r1": 0, "v2-r1": 10},
            {"v1-r1": 0, "v2-r1": 100},
        ]


ONE, TWO = Registered("m:1", "sha256:1"), Registered("m:2", "sha256:2")
GOOD_MOVES = [{"v1": 90}, {"v1": 90, "v2": 10}, {"v1": 0, "v2": 10}, {"v1": 0, "v2": 100}]


@dataclass
class Told(Readings):
    """A state as it is told."""

    builds: dict[str, Registered] = field(default_factory=dict)
    aliases: dict[str, Named] = field(default_factory=dict)
    services: dict[str, Served] = field(default_factory=dict)
    moves: list[dict[str, int]] = field(default_factory=list)

    def registered(self, build: str) -> Registered | None:
        return self.builds.get(build)

    def version(self, model: str) -> Registered:
        return {ONE.model: ONE, TWO.model: TWO}[model]

    def alias(self, name: str, alias: str) -> Named:
        return self.aliases[alias]

    def service(self, stage: str) -> Served:
        return self.services[stage]

    def traffic(self) -> list[dict[str, int]]:
        return self.moves


class Checked(Outcomes):
    """Services answer with the digest of what they serve, unless `digest` says otherwise."""

    digest = ""

    def _ask(self, service: Served) -> tuple[Any, str | None]:
        (model,) = service.shares
        return [1.0], self.digest or self.state.version(model).digest


def outcomes(backend: str = "azure", **told: Any) -> Checked:
    made = Checked(Cloud(backend, Path(), Path(sys.prefix)))
    made.state = Told(**told)
    made.production = ONE.model
    return made


def run(name: str = "cd", state: str = SUCCEEDED, **jobs: str) -> RunResult:
    stage = StageResult("S", "S", jobs={key: JobResult(key, key, value) for key, value in jobs.items()})
    return RunResult(name, "7", "Manual", state, {"S": stage})


def service(model: str, target: str = "aks", **shares: int) -> Served:
    return Served("m-service", target, "http://m/score", "key", shares or {model: 100})


RELEASED = {
    "Package": SUCCEEDED, "Deploy_QA": SUCCEEDED, "Smoke_QA": SUCCEEDED, "Rollback_QA": SKIPPED,
    "Deploy_Production": SUCCEEDED, "Smoke_Production": SUCCEEDED, "Rollback_Production": SKIPPED,
}  # fmt: skip
SERVED = {
    "builds": {"7": ONE},
    "aliases": {"qa": Named(1, ""), "production": Named(1, "")},
    "services": {"qa": service("m:1", "aci"), "production": service("m:1")},
}


def test_a_release_is_what_the_state_says() -> None:
    good = outcomes(**SERVED)
    assert good.released([run(**RELEASED)]) == []
    assert good.production == "m:1"


@pytest.mark.parametrize(
    ("told", "jobs", "message"),
    [
        ({"builds": {}}, {}, "registered no model"),
        ({"aliases": {"qa": Named(1, ""), "production": Named(2, "")}}, {}, "alias production names m:2, not m:1"),
        ({"services": {"qa": service("m:1", "aci"), "production": service("m:2")}}, {}, "serves {'m:2': 100}"),
        ({"services": {"qa": service("m:1", "aci"), "production": service("m:1", "aci")}}, {}, "runs on aci"),
        (
            {"services": {"qa": service("m:1", "aci"), "production": service("", **{"m:1": 90, "m:2": 10})}},
            {},
            "not m:1 alone",
        ),
        ({}, {"Smoke_QA": SKIPPED}, "the job Smoke_QA is Skipped"),
        ({}, {"Rollback_Production": SUCCEEDED}, "although nothing failed"),
    ],
)
def test_a_release_that_is_not(told: dict[str, Any], jobs: dict[str, str], message: str) -> None:
    (problem,) = outcomes(**{**SERVED, **told}).released([run(**{**RELEASED, **jobs})])
    assert message in problem


def test_an_answer_of_another_model_is_found() -> None:
    found = outcomes(**SERVED)
    found.digest = "sha256:old"
    (problem,) = found.released([run(**RELEASED)])
    assert "answers with the model sha256:old, not sha256:1" in problem


CANARY = {
    "aliases": {"production": Named(2, "released after a canary with 10 percent: 10 answers")},
    "services": {"production": service("m:2")},
    "moves": GOOD_MOVES,
}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, ""),
        ({"services": {"production": service("m:1")}}, "serves m:1 still"),
        ({"aliases": {"production": Named(2, "released")}}, "released without a canary"),
        ({"aliases": {"production": Named(1, "")}}, "alias production names m:1, not m:2"),
        ({"moves": [{"v1": 0}, {"v1": 0, "v2": 100}]}, "never had 10 percent"),
        ({"moves": GOOD_MOVES[:2]}, "did not get everything"),
        ({"moves": []}, "never had 10 percent"),
    ],
)
def test_a_canary_is_read_in_its_traffic(told: dict[str, Any], message: str) -> None:
    problems = outcomes(**{**CANARY, **told}).canary(run())
    assert [message in problem for problem in problems] == [True] * bool(message)


def test_a_rollback_needs_a_failed_smoke_test_and_the_version_before() -> None:
    told = {**SERVED, "builds": {"7": TWO}, "aliases": {"qa": Named(2, ""), "production": Named(1, "")}}
    told["services"] = {"qa": service("m:2", "aci"), "production": service("m:1")}
    jobs = {"Smoke_Production": FAILED, "Rollback_Production": SUCCEEDED}
    red = run(state=FAILED, **jobs)
    assert outcomes(**told).rolled_back([run("retrain"), red]) == []
    (problem,) = outcomes(**told).rolled_back([run("retrain"), replace(red, state=SUCCEEDED)])
    assert "although a smoke test failed" in problem
    (problem,) = outcomes(**told).rolled_back(
        [run("retrain"), run(state=FAILED, **{**jobs, "Rollback_Production": FAILED})]
    )
    assert "the rollback of production is Failed" in problem


def test_the_monitor_must_say_what_shifted(tmp_path: Path) -> None:
    page = tmp_path / "runs" / "monitor-7" / "artifacts" / "monitoring" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("m:1 ... Shifted: bmi")
    red = run("monitor", FAILED)
    assert outcomes().monitored([red], tmp_path, "bmi") == []
    (problem,) = outcomes().monitored([run("monitor")], tmp_path, "bmi")
    assert "monitor 7 is Succeeded" in problem
    (problem,) = outcomes().monitored([run("monitor")], tmp_path, "")
    assert "does not say: Nothing has shifted" in problem
