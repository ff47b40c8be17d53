"""Releases through the stages: order, aliases, the way back, and what a failure leaves. The ports are in memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import pytest

from deploy.canary import Rule
from deploy.errors import CanaryFailed, DeployFailed, PackageRefused, ServiceNotFound, SmokeFailed
from deploy.services import Answer, DeployRequest, Keys, Revision, ServiceInfo, ServiceState
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
        self.dumb: set[str] = set()
        """Versions that come up and fail the smoke test afterwards."""

    def deploy(self, request: DeployRequest, *, traffic: int = 100, **options: object) -> ServiceInfo:
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
        if version.reference in self.services.dumb:  # type: ignore[attr-defined]
            raise SmokeFailed("no answer", phase="smoke")


class Shares(Desk):
    """Services that share traffic; a canary answers every second request, with what `answers` says or 1."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[Revision] = []
        self.traffic: list[dict[str, int]] = []
        self.answers: dict[str, float] = {}
        self._turn = count()

    def deploy(self, request: DeployRequest, *, traffic: int = 100, **options: object) -> ServiceInfo:
        model = request.package.model
        info = super().deploy(request)
        now, healthy = datetime.now(timezone.utc), ServiceState.HEALTHY
        new = Revision(model.reference, model.reference, model.digest, None, now, traffic, healthy)
        self.running = [new, *(replace(old, traffic=100 - traffic) for old in self.running if traffic < 100)]
        self.traffic.append({item.id: item.traffic for item in self.running})
        return info

    def revisions(self, service: str) -> list[Revision]:
        return [item for item in self.running if service in self.serving]

    def set_traffic(self, service: str, percent: Mapping[str, int]) -> None:
        self.running = [replace(item, traffic=percent[item.id]) for item in self.running if percent.get(item.id)]
        self.serving[service] = self.running[0].model
        self.traffic.append(dict(percent))

    def invoke(self, service: str, body: bytes) -> Answer:
        chosen = self.running[next(self._turn) // 3 % len(self.running)]
        value = self.answers.get(chosen.model, 1.0)
        return Answer(200, {"x-model-digest": chosen.model_digest}, json.dumps({"result": [value]}).encode())


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


def test_a_version_that_fails_after_its_deployment_gives_way_again(release: Release, desk: Desk) -> None:
    one, two = register(release, 2)
    release.release_to("production", one, silent, why="first")
    desk.dumb = {"m:2"}
    said: list[str] = []
    with pytest.raises(SmokeFailed):
        release.release_to("production", two, said.append, why="second")
    assert desk.serving["m-production"] == "m:1"
    assert release.registry.alias("m", "production") == 1
    assert "m:2 does not pass: putting m:1 back" in said
    # where that does not work either, what went wrong first is what is told
    desk.broken = {"m:1"}
    with pytest.raises(SmokeFailed):
        release.release_to("production", two, said.append, why="second")
    assert any("putting m:1 back did not work either" in line for line in said)


@pytest.fixture
def shares() -> Shares:
    return Shares()


@pytest.fixture
def sharing(release: Release, shares: Shares) -> Release:
    """A release whose services share traffic, with ``m:1`` in production."""
    made = replace(release, services=shares)  # type: ignore[arg-type]
    (one, _) = register(made, 2)
    made.release_to("production", one, silent, why="first")
    return made


def test_a_canary_gets_its_share_then_everything(sharing: Release, shares: Shares) -> None:
    two = sharing.registry.get("m", 2)
    report = sharing.release_with_canary(two, silent, percent=10, rule=Rule(requests=4))
    assert (report.promoted, report.canary.answers) == (True, 4)
    assert shares.traffic == [{"m:1": 100}, {"m:2": 10, "m:1": 90}, {"m:2": 100}]
    assert sharing.registry.alias("m", "production") == 2
    assert "canary with 10 percent" in sharing.registry.history("m", "production")[-1].why


def test_a_canary_that_disagrees_moves_no_alias(sharing: Release, shares: Shares) -> None:
    shares.answers = {"m:2": 3.0}
    with pytest.raises(CanaryFailed):
        sharing.release_with_canary(sharing.registry.get("m", 2), silent, percent=10, rule=Rule(requests=4))
    assert shares.traffic[-1] == {"m:1": 100}
    assert sharing.registry.alias("m", "production") == 1


def test_a_canary_that_fails_once_it_has_everything_gives_way_again(sharing: Release, shares: Shares) -> None:
    shares.dumb = {"m:2"}
    with pytest.raises(SmokeFailed):
        sharing.release_with_canary(sharing.registry.get("m", 2), silent, percent=10, rule=Rule(requests=4))
    assert shares.serving["m-production"] == "m:1"
    assert sharing.registry.alias("m", "production") == 1


def test_golden_requests_are_those_of_both_versions_a_row_each(sharing: Release) -> None:
    folder = sharing.project / "artifact-rows" / "model"
    folder.mkdir(parents=True)
    rows = {"request": {"data": [[1], [2]]}, "response": 0}
    (folder / "golden.json").write_text(json.dumps(rows))
    three = sharing.registry.register("m", folder, lineage=Lineage(python="3.11"))
    requests = [json.loads(item) for item in sharing.golden_requests(three, "production")]
    assert requests == [{"data": [[1]]}, {"data": [[2]]}, 0]


def test_two_rollbacks_go_two_versions_back(release: Release) -> None:
    versions = register(release, 3)
    for version in versions:
        release.release_to("production", version, silent, why="released")
    assert release.rollback("production", "m", silent).to_version == 2
    assert release.rollback("production", "m", silent).to_version == 1
    with pytest.raises(PipelineNotFound, match="no other version"):
        release.rollback("production", "m", silent)
    assert [move.to_version for move in release.registry.history("m", "production")] == [1, 2, 3, 2, 1]


def test_a_rollback_to_what_serves_already_writes_nothing(release: Release, desk: Desk) -> None:
    for version in register(release, 2):
        release.release_to("production", version, silent, why="released")
    log, deployed = list(release.registry.history("m", "production")), list(desk.deployed)
    assert release.rollback("production", "m", silent, to=2) is None
    assert (list(release.registry.history("m", "production")), desk.deployed) == (log, deployed)
    desk.serving.clear()  # it is what should serve: a rollback to it says so by bringing it back
    assert release.rollback("production", "m", silent, to=2) is None
    assert desk.serving == {"m-production": "m:2"}
    assert list(release.registry.history("m", "production")) == log


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


@pytest.mark.parametrize("error", [SmokeFailed("no answer", phase="smoke"), KeyboardInterrupt()])
def test_a_rollback_that_fails_after_its_deployment_gives_way_again(
    release: Release, desk: Desk, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    for version in register(release, 2):
        release.release_to("production", version, silent, why="released")

    def fails(self: Release, stage: str, version: ModelVersion, *, timeout: float = 60.0) -> None:
        raise error

    monkeypatch.setattr(Quiet, "smoke", fails)
    said: list[str] = []
    with pytest.raises(type(error)):
        release.rollback("production", "m", said.append)
    assert release.registry.alias("m", "production") == 2
    assert desk.serving["m-production"] == "m:2"
    assert f"rollback to version 1 failed: {type(error).__name__}: putting m:2 back" in said
    # where that does not work either, what went wrong first is what is told
    desk.broken = {"m:2"}
    with pytest.raises(type(error)):
        release.rollback("production", "m", said.append)
    assert said[-1] == "putting m:2 back did not work either: m:2 does not come up"


def test_of_two_releases_at_once_the_later_is_told(release: Release, desk: Desk) -> None:
    one, two, three = register(release, 3)
    release.still("production", "m", None)
    release.release_to("production", one, silent, why="released")
    release.still("production", "m", 1)
    # Both were judged against version 1; two was quicker, and three may be worse than it.
    release.release_to("production", two, silent, why="released")
    with pytest.raises(PipelineConflict, match="production names m:2 now; the candidate was judged against m:1"):
        release.still("production", "m", 1)
    request, image = release.build(three, silent)
    release.deploy("production", request, image, silent)
    with pytest.raises(AliasMoved):
        release.prove("production", three, silent, why="better", expect=1)
    assert desk.serving == {"m-production": "m:2"}
    assert [move.to_version for move in release.registry.history("m", "production")] == [1, 2]


def test_an_alias_names_what_serves_whichever_release_was_slower(
    release: Release, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = register(release, 3)
    release.release_to("qa", one, silent, why="first")
    tested, between = Quiet.smoke, list[Callable[[], object]]()

    def slow(this: Quiet, stage: str, version: ModelVersion, *, timeout: float = 60.0) -> None:
        tested(this, stage, version, timeout=timeout)
        if between:
            between.pop()()

    monkeypatch.setattr(Quiet, "smoke", slow)
    between.append(lambda: release.release_to("qa", two, silent, why="quicker"))
    with pytest.raises(AssertionError):  # of the smoke test: it is not three that serves
        release.release_to("qa", three, silent, why="slower")
    assert (desk.serving["m-qa"], release.registry.alias("m", "qa")) == ("m:2", 2)
    # where its version serves all the same, the slower one has the last word
    between.append(lambda: release.registry.set_alias("m", "qa", 1, who="somebody", why="by hand"))
    release.release_to("qa", three, silent, why="slower")
    assert (desk.serving["m-qa"], release.registry.alias("m", "qa")) == ("m:3", 3)


def test_two_commands_may_fetch_the_same_version(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    (version,) = register(release)
    download = release.registry.download

    def slow(name: str, number: int, target: Path) -> Path:
        half = target / ".download-half"
        half.mkdir(parents=True)
        monkeypatch.setattr(release.registry, "download", download)
        assert release.artifact(version).is_dir()  # the other command, from beginning to end
        half.rmdir()
        return download(name, number, target)

    monkeypatch.setattr(release.registry, "download", slow)
    folder = release.artifact(version)
    assert (folder / "golden.json").is_file()
    assert [item.name for item in folder.parent.parent.iterdir()] == [folder.parent.name]


def test_a_place_that_cannot_be_used_is_told(release: Release) -> None:
    (version,) = register(release)
    place = release.artifact(version).parent
    shutil.rmtree(place)
    place.touch()
    with pytest.raises(OSError, match=place.name):
        release.artifact(version)


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
    for wrong in (
        lambda: release.rollback("staging", "m", silent),
        lambda: release.promote("m", silent, source="staging"),
        lambda: release.promote("m", silent, target="staging"),
    ):
        with pytest.raises(PipelineError, match="there is no stage 'staging'") as caught:
            wrong()
        assert caught.value.hint == "stages: qa, production"
    with pytest.raises(PipelineError, match="to itself"):
        release.promote("m", silent, source="qa", target="qa")
    with pytest.raises(PipelineConflict) as nothing:
        release.promote("m", silent)
    assert nothing.value.hint == "mlops deploy m@candidate --stage qa"
    with pytest.raises(PackageRefused, match=r"entry script score/score\.py"):
        release.check()
    (release.project / "score").mkdir()
    (release.project / "score" / "score.py").touch()
    with pytest.raises(PackageRefused, match="code folder model") as missing:
        release.check()
    assert "model.code" in (missing.value.hint or "")
    folder = release.project / "other" / "model"
    folder.mkdir(parents=True)
    (folder / "golden.json").write_text("{}")
    version = release.registry.register("m", folder, lineage=Lineage(python="2.7"))
    with pytest.raises(PipelineNotFound, match=r"Python 2\.7.*score-2\.7\.txt"):
        release.package(version)
