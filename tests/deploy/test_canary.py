"""The canary on local processes; its rule by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from deploy.canary import CanaryReport, Observation, Rule, disagreement, judge, release
from deploy.errors import EngineUnavailable
from deploy.process import ProcessServices
from deploy.services import DeployRequest, Revision, ServiceInfo, ServiceState
from tests.contract.canary import PROBES, CanaryContract
from tests.contract.services_project import PORTS, Project


@pytest.mark.slow  # all of them together
class TestCanaryOfProcesses(CanaryContract):
    @pytest.fixture
    def services(self, tmp_path: Path) -> Iterator[ProcessServices]:
        services = ProcessServices(tmp_path / "services", ports=PORTS)
        yield services
        for info in list(services.services()):
            services.delete(info.name)

    def test_an_interruption_after_the_old_version_has_gone(
        self, services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.deploy(project.request(3.0))
        share, said = services.set_traffic, list[str]()

        def interrupted(service: str, percent: Mapping[str, int]) -> None:
            share(service, percent)
            raise KeyboardInterrupt

        monkeypatch.setattr(services, "set_traffic", interrupted)
        with pytest.raises(KeyboardInterrupt):
            self.release(services, project, said)
        assert "to deploy it again: mlops rollback --stage qa --to 1" in said

    def test_what_broke_first_is_raised(
        self, services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.deploy(project.request(3.0))
        errors = iter([EngineUnavailable("away"), RuntimeError("not even that")])

        def broken(service: str, percent: Mapping[str, int]) -> None:
            raise next(errors)

        monkeypatch.setattr(services, "set_traffic", broken)
        said: list[str] = []
        with pytest.raises(EngineUnavailable, match="away"):
            self.release(services, project, said)
        assert "line:1 does not have all traffic again: not even that" in said

    def test_a_share_of_a_deployment_that_fails_is_taken_back(
        self, services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = services.deploy(project.request(3.0))
        deploy = services.deploy

        def cut_off(request: DeployRequest, **options: Any) -> ServiceInfo:
            deploy(request, **options)
            raise EngineUnavailable("whether it is up cannot be read")

        monkeypatch.setattr(services, "deploy", cut_off)
        said: list[str] = []
        with pytest.raises(EngineUnavailable):
            self.release(services, project, said)
        assert "taking line:2 back" in said
        assert services.get("line-qa").version == before.version
        assert [item.traffic for item in services.revisions("line-qa")] == [100]

    def test_what_never_had_a_share_is_not_taken_back(
        self, services: ProcessServices, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.deploy(project.request(3.0))

        def refused(request: DeployRequest, **options: Any) -> ServiceInfo:
            raise EngineUnavailable("no answer")

        monkeypatch.setattr(services, "deploy", refused)
        said: list[str] = []
        with pytest.raises(EngineUnavailable):
            self.release(services, project, said)
        assert said == []

    def release(self, services: ProcessServices, project: Project, said: list[str]) -> CanaryReport:
        rule = Rule(requests=3, max_latency_ratio=1000.0)
        return release(services, project.request(3.1), percent=50, probes=PROBES, rule=rule, progress=said.append)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([({"result": [1.0, 2.0]}, {"result": [1.0, 2.0]})], 0.0),
        ([({"result": [1.1]}, {"result": [1.0]}), ({"result": [1.0]}, {"result": [1.0]})], 0.05),
        ([({"label": ["a", "b"]}, {"label": ["a", "c"]})], 0.5),
        ([([1], [1, 2])], 1.0),
        ([([math.nan], [1.0])], math.inf),
        ([([1.0], [0.0])], math.inf),
        ([([True], [False])], 1.0),
        ([("text", {"result": [1]})], 1.0),
    ],
)
def test_disagreement(pairs: list[tuple[object, object]], expected: float) -> None:
    assert disagreement(pairs) == pytest.approx(expected)


def revision(name: str) -> Revision:
    now = datetime.now(timezone.utc)
    return Revision(name, f"line:{name}", f"sha256:{name}", None, now, 10, ServiceState.HEALTHY)


def verdict(new: Observation, old: Observation, rule: Rule) -> tuple[bool, str]:
    report = judge({"sha256:2": new, "sha256:1": old}, revision("2"), revision("1"), rule)
    return report.promoted, report.reason


def test_the_rule() -> None:
    rule = Rule(requests=10, max_errors=0.1, max_latency_ratio=2.0, latency_floor_ms=10, max_disagreement=0.2)
    old = Observation("line:1", 90, 0, [0.010] * 90)
    good = Observation("line:2", 10, 1, [0.019] * 9, 0.2)
    assert verdict(good, old, rule)[0]
    assert verdict(Observation("line:2", 9, 0, [0.01] * 9, 0.0), old, rule) == (
        False,
        "only 9 of 10 answers came in time",
    )
    assert "2 of 10 answers failed" in verdict(Observation("line:2", 10, 2, [0.01] * 8, 0.0), old, rule)[1]
    assert "mean latency 21.0 ms" in verdict(Observation("line:2", 10, 0, [0.021] * 10, 0.0), old, rule)[1]
    assert "0.3 apart" in verdict(Observation("line:2", 10, 0, [0.01] * 10, 0.3), old, rule)[1]
    assert "inf apart" in verdict(Observation("line:2", 10, 0, [0.01] * 10, math.inf), old, rule)[1]
    assert "cannot be compared" in verdict(Observation("line:2", 10, 0, [0.01] * 10, None), old, rule)[1]
    quick = Observation("line:1", 90, 0, [0.001] * 90)
    assert verdict(Observation("line:2", 10, 0, [0.009] * 10, 0.0), quick, rule)[0]  # nine times, but below the floor
