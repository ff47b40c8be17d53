"""Releases through the stages: order, aliases, the way back, and what a failure leaves. The ports are in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.errors import DeployFailed, ServiceNotFound
from deploy.services import DeployRequest, Keys, ServiceInfo, ServiceState
from pipeline.errors import PipelineConflict, PipelineError, PipelineNotFound
from pipeline.release import Release, previous_version
from registry.errors import AliasMoved
from registry.models import Lineage, ModelVersion
from tests.pipeline.memory import MemoryModels, Shelf

NAMES = {"qa": "m-qa", "production": "m-production"}


class Desk:
    """Services that remember what was deployed; versions in `broken` do not come up."""

    def __init__(self) -> None:
        self.serving: dict[str, str] = {}
        self.deployed: list[tuple[str, str]] = []
        self.broken: set[str] = set()

    def deploy(self, request: DeployRequest, **options: object) -> ServiceInfo:
        reference = request.package.model.reference
        self.deployed.append((request.stage, reference))
        if reference in self.broken:
            raise DeployFailed(f"{reference} does not come up", phase="start")
        self.serving[request.service] = reference
        return self.get(request.service)

    def get(self, service: str) -> ServiceInfo:
        if service not in self.serving:
            raise ServiceNotFound(f"there is no service {service!r}")
        return ServiceInfo(service, "", "http://x/score", ServiceState.HEALTHY, "memory", self.serving[service])

    def ensure(self, service: str, **options: object) -> ServiceInfo:
        return self.get(service)

    def keys(self, service: str) -> Keys:
        return Keys("p", "s")


class Quiet(Release):
    """The smoke test of a service in memory: whether it serves the version at all."""

    def smoke(self, stage: str, version: ModelVersion, *, timeout: float = 60.0):  # type: ignore[no-untyped-def]
        assert self.services.get(self.service(stage)).version == version.reference


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def release(tmp_path: Path, desk: Desk) -> Release:
    (tmp_path / "requirements" / "locks").mkdir(parents=True)
    (tmp_path / "requirements" / "locks" / "score-3.11.txt").write_text("flask==3.1.3\n")
    return Quiet(
        registry=MemoryModels(Shelf()),
        services=desk,  # type: ignore[arg-type]
        images=None,
        project=tmp_path,
        entry_script=Path("score/score.py"),
        code=("model",),
        names=NAMES,
        cache=tmp_path / "cache",
        who="tester",
    )


def register(release: Release, count: int = 1) -> list[ModelVersion]:
    made = []
    for number in range(count):
        folder = release.project / f"artifact-{number}" / "model"
        folder.mkdir(parents=True)
        (folder / "golden.json").write_text(json.dumps({"request": number, "response": number}))
        made.append(release.registry.register("m", folder, lineage=Lineage(python="3.11")))
    return made


def silent(line: str) -> None:
    """Takes a line of progress."""


def test_promotion_takes_what_passed_in_qa(release: Release, desk: Desk) -> None:
    (version,) = register(release)
    with pytest.raises(PipelineConflict, match="qa"):
        release.promote("m", silent)
    release.release_to("qa", version, silent, why="first")
    assert release.registry.aliases("m") == {"qa": 1}
    release.promote("m", silent)
    assert release.registry.aliases("m") == {"qa": 1, "production": 1}
    assert desk.deployed == [("qa", "m:1"), ("production", "m:1")]


def test_a_version_that_does_not_come_up_moves_no_alias(release: Release, desk: Desk) -> None:
    one, two = register(release, 2)
    release.release_to("production", one, silent, why="first")
    desk.broken.add("m:2")
    with pytest.raises(DeployFailed):
        release.release_to("production", two, silent, why="second")
    assert release.registry.alias("m", "production") == 1
    assert desk.serving["m-production"] == "m:1"


def test_two_rollbacks_go_two_versions_back(release: Release) -> None:
    versions = register(release, 3)
    for version in versions:
        release.release_to("production", version, silent, why="released")
    assert release.rollback("production", "m", silent).to_version == 2
    assert release.rollback("production", "m", silent).to_version == 1
    with pytest.raises(PipelineNotFound, match="no other version"):
        release.rollback("production", "m", silent)
    assert [move.to_version for move in release.registry.history("m", "production")] == [1, 2, 3, 2, 1]


def test_a_version_that_is_gone_is_skipped_on_the_way_back(release: Release) -> None:
    versions = register(release, 3)
    for version in versions:
        release.release_to("production", version, silent, why="released")
    release.registry.delete("m", 2)
    assert previous_version(release.registry, "m", "production") == 1


def test_a_rollback_that_fails_leaves_alias_and_service_agreeing(release: Release, desk: Desk) -> None:
    one, two = register(release, 2)
    release.release_to("production", one, silent, why="first")
    release.release_to("production", two, silent, why="second")
    desk.broken.add("m:1")
    with pytest.raises(DeployFailed):
        release.rollback("production", "m", silent)
    assert release.registry.alias("m", "production") == 2
    assert desk.serving["m-production"] == "m:2"
    assert "failed" in release.registry.history("m", "production")[-1].why


def test_of_two_rollbacks_at_once_one_is_told(release: Release, desk: Desk) -> None:
    one, two, three = register(release, 3)
    for version in (one, two, three):
        release.release_to("production", version, silent, why="released")
    build = release.build

    def slow(version: ModelVersion, progress):  # type: ignore[no-untyped-def]
        release.registry.set_alias("m", "production", 1, who="somebody", why="rollback by hand")
        return build(version, progress)

    object.__setattr__(release, "build", slow)
    with pytest.raises(AliasMoved) as caught:
        release.rollback("production", "m", silent)
    assert caught.value.winner == 1
    assert desk.serving["m-production"] == "m:3"


def test_ensure_deploys_again_what_the_alias_names(release: Release, desk: Desk) -> None:
    assert release.ensure("qa", "m", silent) is None
    (version,) = register(release)
    release.release_to("qa", version, silent, why="first")
    before = len(desk.deployed)
    release.ensure("qa", "m", silent)
    assert len(desk.deployed) == before
    desk.serving.clear()
    info = release.ensure("qa", "m", silent)
    assert info is not None and info.version == "m:1"
    assert len(desk.deployed) == before + 1


def test_what_cannot_be_released_is_said(release: Release) -> None:
    with pytest.raises(PipelineError, match="staging"):
        release.service("staging")
    folder = release.project / "other" / "model"
    folder.mkdir(parents=True)
    (folder / "golden.json").write_text("{}")
    version = release.registry.register("m", folder, lineage=Lineage(python="2.7"))
    with pytest.raises(PipelineNotFound, match=r"Python 2\.7.*score-2\.7\.txt"):
        release.package(version)
