"""What a release meets on a bad day: throttling, outages, connections lost in mid-upload, and another release."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import fakes
from fakes.doors.activation import Fake
from registry.azure.blobs import BlobFolder
from registry.azure.models import AzureModelRegistry
from registry.azure.workspace import AzureWorkspace
from registry.digests import tree_digest
from registry.errors import AliasMoved, Unavailable
from registry.models import AliasMove
from tests.contract.azure import account_in
from tests.contract.models import artifact

__all__ = ["artifact"]
pytestmark = pytest.mark.azure


@pytest.fixture
def fake() -> Iterator[Fake]:
    with fakes.mock_azure() as fake:
        yield fake


@pytest.fixture
def workspace(fake: Fake) -> AzureWorkspace:
    return AzureWorkspace(account_in(fake))


@pytest.fixture
def registry(workspace: AzureWorkspace) -> AzureModelRegistry:
    return AzureModelRegistry(workspace)


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("Models_Register", 429),
        ("Models_Register", 503),
        ("Assets_Create", 500),
        ("Artifacts_*", 429),
        ("Blob_Put*", 503),
    ],
)
def test_tries_again_what_azure_refused_for_now(
    registry: AzureModelRegistry, fake: Fake, artifact: Path, operation: str, status: int
) -> None:
    rule = fake.state.faults.add(operation, status=status, times=2)
    made = registry.register("line", artifact)
    assert rule.hits == 2
    assert made.digest == tree_digest(artifact)
    assert [item.version for item in registry.versions("line")] == [1]


def test_gives_up_on_what_stays_away(registry: AzureModelRegistry, fake: Fake, artifact: Path) -> None:
    fake.state.faults.add("Models_Register", status=503, times=None)
    with pytest.raises(Unavailable, match="registering line") as failure:
        registry.register("line", artifact)
    assert failure.value.hint
    assert fake.state.requests.counts()["Models_Register"] < 30
    assert list(registry.versions("line")) == []
    fake.state.faults.clear()
    assert registry.register("line", artifact).version == 1


@pytest.mark.slow
def test_tries_again_what_storage_refused_for_now(registry: AzureModelRegistry, fake: Fake, artifact: Path) -> None:
    # Storage throttles with 503: learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
    rules = [fake.state.faults.add(operation, status=503) for operation in ("Blob_Put", "Container_ListBlobs")]
    made = registry.register("line", artifact)
    registry.set_alias("line", "qa", 1, who="test", why="tried", expect=None)
    assert [rule.hits for rule in rules] == [1, 1]
    assert made.digest == tree_digest(artifact)
    assert registry.alias("line", "qa") == 1


def test_an_upload_that_is_refused_half_way_leaves_no_version(
    registry: AzureModelRegistry, fake: Fake, artifact: Path
) -> None:
    rule = fake.state.faults.add("Blob_Put*", status=403, skip=1, times=None)
    with pytest.raises(Unavailable, match="registering line") as failure:
        registry.register("line", artifact)
    assert rule.hits
    assert failure.value.hint
    assert registry.names() == []
    fake.state.faults.clear()
    assert registry.register("line", artifact).version == 1


@pytest.mark.slow  # the SDK waits 15 s and more before it sends a blob again
@pytest.mark.timeout(300)
def test_a_connection_lost_in_mid_upload_leaves_no_version(
    registry: AzureModelRegistry, fake: Fake, artifact: Path, tmp_path: Path
) -> None:
    rule = fake.state.faults.add("Blob_Put*", kind="reset", skip=1, times=None)
    with pytest.raises(Unavailable, match="registering line") as failure:
        registry.register("line", artifact)
    assert rule.hits
    assert failure.value.hint
    assert list(registry.versions("line")) == []
    assert registry.names() == []
    fake.state.faults.clear()
    made = registry.register("line", artifact)
    assert (made.version, made.digest) == (1, tree_digest(artifact))
    assert tree_digest(registry.download("line", 1, tmp_path / "back")) == made.digest


def test_of_two_releases_one_wins_and_the_other_is_told_who(
    registry: AzureModelRegistry, fake: Fake, artifact: Path
) -> None:
    for _ in range(3):
        registry.register("line", artifact)
    registry.set_alias("line", "production", 1, who="setup", why="first")
    ready, outcomes = threading.Barrier(2), dict[int, AliasMove | AliasMoved]()

    def release(version: int) -> None:
        ready.wait()
        try:
            outcomes[version] = registry.set_alias(
                "line", "production", version, who=f"release {version}", why="passed QA", expect=1
            )
        except AliasMoved as lost:
            outcomes[version] = lost

    threads = [threading.Thread(target=release, args=[version]) for version in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = (version for version, outcome in outcomes.items() if isinstance(outcome, AliasMove))
    (lost,) = (outcome for outcome in outcomes.values() if isinstance(outcome, AliasMoved))
    assert lost.winner == winner == registry.alias("line", "production")
    assert "mlops models history" in str(lost.hint)
    assert [move.who for move in registry.history("line", "production")] == ["setup", f"release {winner}"]


def test_a_document_whose_answer_was_lost_is_not_taken_for_somebody_elses(workspace: AzureWorkspace) -> None:
    # The connection ends after Azure has written the blob; the SDK sends it again and is told that it exists.
    folder = BlobFolder(workspace, "documents/")
    assert folder.create("1.json", b"ours") is True
    assert folder.create("1.json", b"ours") is True
    assert folder.create("1.json", b"theirs") is False
    assert folder.read("1.json") == b"ours"
