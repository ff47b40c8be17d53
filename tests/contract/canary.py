"""What a canary does on every adapter of ``Services`` that can share traffic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy import canary
from deploy.errors import CanaryFailed, DeployFailed
from deploy.services import Answer, Services
from tests.contract.services import answer_of
from tests.contract.services_project import Project

# As many as requests that a fifth of the traffic takes to come round: a version must not get the same one each time.
PROBES = [json.dumps({"data": [[float(number)]]}).encode() for number in (1, 2, 3, 4, 5)]
QUICK = canary.Rule(requests=6)


class CanaryContract:
    """The suite. Subclasses give the fixtures ``services`` and ``project``."""

    @pytest.fixture
    def services(self) -> Services:
        raise NotImplementedError

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        return Project(tmp_path / "project")

    def test_a_good_canary_gets_everything(
        self, services: Services, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.deploy(project.request(3.0))
        said: list[str] = []
        asked: list[bytes] = []
        invoke = services.invoke

        def counted(service: str, body: bytes) -> Answer:
            asked.append(body)
            return invoke(service, body)

        monkeypatch.setattr(services, "invoke", counted)
        report = canary.release(
            services, project.request(3.3), percent=20, probes=PROBES, rule=QUICK, progress=said.append
        )
        assert report.promoted
        assert report.canary.disagreement == pytest.approx(0.1)
        assert report.canary.answers == 6
        assert report.running is not None
        assert len(asked) == report.canary.answers + report.running.answers + 1  # the first one is not measured
        assert report.running.answers == pytest.approx(24, abs=6)
        assert len(services.revisions("line-qa")) == 1
        assert answer_of(services) == pytest.approx(6.6)
        assert any("20 percent" in line for line in said)

    def test_one_that_disagrees_is_taken_back(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(CanaryFailed, match=r"answers lie 2 apart") as failure:
            canary.release(services, project.request(9.0), percent=20, probes=PROBES, rule=QUICK)
        assert failure.value.report["canary"]["answers"] == 6
        assert services.get("line-qa").version == before.version
        assert len(services.revisions("line-qa")) == 1
        assert {answer_of(services) for _ in range(10)} == {6.0}

    def test_one_that_fails_is_taken_back(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(CanaryFailed, match="6 of 6 answers failed"):
            canary.release(services, project.request(3.0, runs="fail"), percent=20, probes=PROBES, rule=QUICK)
        assert services.get("line-qa").version == before.version

    def test_one_that_is_slow_is_taken_back(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(CanaryFailed, match="mean latency"):
            canary.release(services, project.request(3.1, runs="slowly"), percent=20, probes=PROBES, rule=QUICK)
        assert services.get("line-qa").version == before.version

    def test_one_that_does_not_start_changes_nothing(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))
        with pytest.raises(DeployFailed):
            canary.release(services, project.request(3.1, init="raise"), percent=20, probes=PROBES, rule=QUICK)
        assert services.get("line-qa") == before

    def test_the_first_version_gets_everything(self, services: Services, project: Project) -> None:
        report = canary.release(services, project.request(3.0), percent=20, probes=PROBES, rule=QUICK)
        assert report.running is None
        assert answer_of(services) == 6.0

    def test_an_interruption_takes_it_back(self, services: Services, project: Project) -> None:
        before = services.deploy(project.request(3.0))

        def interrupt(line: str) -> None:
            if "answers of" in line:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            canary.release(services, project.request(3.1), percent=20, probes=PROBES, rule=QUICK, progress=interrupt)
        assert services.get("line-qa").version == before.version
        assert len(services.revisions("line-qa")) == 1
