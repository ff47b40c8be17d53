"""What every ``ModelRegistry`` must do.

An adapter's test module derives a class from ``ModelRegistryContract`` and gives it a ``registry`` fixture: empty, its
own for each test. Names come from the ``name`` fixture, so that a shared workspace can serve too.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from registry.digests import tree_digest
from registry.errors import AliasMoved, Conflict, InUse, InvalidName, NotFound
from registry.models import Lineage, ModelRegistry, resolve

LINEAGE = Lineage(
    run_id="run-1",
    experiment="training",
    data="diabetes:3",
    data_digest="sha256:" + "0" * 64,
    build_id="20260131.1",
    build_uri="https://dev.azure.com/o/p/_build/results?buildId=1",
    git_revision="0123456789abcdef",
    git_dirty=False,
    lock_digest="sha256:" + "1" * 64,
    python="3.11",
    platform="linux-x86_64",
    code_digest="sha256:" + "2" * 64,
)

BAD_NAMES = [
    "", ".", "..", "a/b", "a\\b", "C:x", "a\0b", "x" * 256, "a.", "a ", " a", "CON", "nul.txt", "a\nb", "\u00e9",
    "e\u0301", "\U0001f600", "%2e%2e", "%252e%252e%252f", "a#b", "a?b", "a:b", "a@b", "-a", "_a", ".hidden",
    "../a", "/a", "~",
]  # fmt: skip
BAD_VERSIONS = [0, -1, 10**20, True, 1.0, "1", "01", "1e3", "latest", None]


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A model folder."""
    folder = tmp_path / "source" / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "model.joblib").write_bytes(b"\0\1\2 first")
    (folder / "manifest.json").write_text(json.dumps({"schema_version": 1}))
    (folder / "code" / "steps.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A model that is one file."""
    path = tmp_path / "source" / "model.pkl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"another")
    return path


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"model-{uuid.uuid4().hex[:8]}"


class ModelRegistryContract:
    """The suite."""

    def test_a_version_is_what_was_registered(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        made = registry.register(
            name,
            artifact,
            description="first, with a line\nbreak",
            metrics={"mse": 2900.25, "r2": 0.5},
            parameters={"alpha": 0.4, "features": ["a", "b"], "fit": True, "none": None},
            tags={"area": "health", "quoted": "a=b, c"},
            properties={"owner": "me"},
            lineage=LINEAGE,
        )
        assert (made.name, made.version, made.reference) == (name, 1, f"{name}:1")
        assert made.digest == tree_digest(artifact)
        assert made.size == sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file())
        assert made.created.tzinfo is not None
        for read in (
            registry.get(name, 1),
            registry.latest(name),
            resolve(registry, name),
            resolve(registry, f"{name}:1"),
        ):
            assert read == made
        assert made.metrics == {"mse": 2900.25, "r2": 0.5}
        assert made.parameters == {"alpha": 0.4, "features": ["a", "b"], "fit": True, "none": None}
        assert made.tags == {"area": "health", "quoted": "a=b, c"}
        assert made.properties == {"owner": "me"}
        assert made.lineage == LINEAGE

    def test_everything_but_name_and_artifact_may_be_left_out(
        self, registry: ModelRegistry, other: Path, name: str
    ) -> None:
        made = registry.register(name, other)
        assert (made.description, made.metrics, made.parameters, made.tags, made.properties) == ("", {}, {}, {}, {})
        assert made.lineage == Lineage()
        assert registry.get(name, 1) == made

    def test_versions_are_dense_and_newest_first(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        assert [registry.register(name, artifact).version for _ in range(3)] == [1, 2, 3]
        assert registry.latest(name).version == 3
        assert [found.version for found in registry.versions(name)] == [3, 2, 1]
        assert [found.version for found in registry.versions(name, limit=2)] == [3, 2]
        assert name in registry.names()

    def test_download_gives_the_artifact_back(
        self, registry: ModelRegistry, artifact: Path, other: Path, name: str, tmp_path: Path
    ) -> None:
        folder, file = registry.register(name, artifact), registry.register(name, other)
        got = registry.download(name, 1, tmp_path / "new" / "a")
        assert got == tmp_path / "new" / "a" / "model"
        assert tree_digest(got) == folder.digest
        assert (got / "code" / "steps.py").read_text() == "x = 1\n"
        got = registry.download(name, 2, tmp_path / "b")
        assert got == tmp_path / "b" / "model.pkl"
        assert got.read_bytes() == b"another"
        assert tree_digest(got) == file.digest

    def test_download_overwrites_nothing(self, registry: ModelRegistry, other: Path, name: str, tmp_path: Path) -> None:
        registry.register(name, other)
        (tmp_path / "model.pkl").write_text("mine")
        with pytest.raises(Conflict):
            registry.download(name, 1, tmp_path)
        assert (tmp_path / "model.pkl").read_text() == "mine"

    def test_a_version_does_not_change_with_its_source(
        self, registry: ModelRegistry, other: Path, name: str, tmp_path: Path
    ) -> None:
        registry.register(name, other)
        other.write_bytes(b"changed")
        assert registry.download(name, 1, tmp_path / "out").read_bytes() == b"another"

    def test_what_is_not_there(self, registry: ModelRegistry, artifact: Path, name: str, tmp_path: Path) -> None:
        for call in (
            lambda: registry.get(name, 1),
            lambda: registry.latest(name),
            lambda: registry.download(name, 1, tmp_path / "out"),
            lambda: registry.set_alias(name, "qa", 1, who="me", why="test"),
            lambda: registry.set_tags(name, 1, {"a": "b"}),
            lambda: registry.delete(name, 1),
            lambda: resolve(registry, name),
            lambda: resolve(registry, f"{name}:1"),
            lambda: resolve(registry, f"{name}@qa"),
            lambda: registry.register(name, tmp_path / "missing"),
        ):
            with pytest.raises(NotFound):
                call()
        assert list(registry.versions(name)) == []
        assert registry.alias(name, "qa") is None
        assert registry.aliases(name) == {}
        assert registry.history(name) == []
        registry.register(name, artifact)
        for call in (
            lambda: registry.get(name, 2),
            lambda: registry.set_alias(name, "qa", 2, who="me", why="test"),
            lambda: registry.set_alias(name, "qa", None, who="me", why="test"),
        ):
            with pytest.raises(NotFound):
                call()
        assert registry.history(name) == []

    def test_filter_by_tags(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        registry.register(name, artifact, tags={"area": "health", "size": "small"})
        registry.register(name, artifact, tags={"area": "sport"})
        registry.register(name, artifact)

        def found(tags: dict[str, str | None]) -> list[int]:
            return [version.version for version in registry.versions(name, tags=tags)]

        assert found({"area": "health"}) == [1]
        assert found({"area": None}) == [2, 1]
        assert found({"area": None, "size": "small"}) == [1]
        assert found({"area": "none"}) == found({"colour": None}) == []

    def test_tags_can_change(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        made = registry.register(name, artifact, tags={"keep": "1", "change": "1", "drop": "1"}, metrics={"mse": 1.0})
        changed = registry.set_tags(name, 1, {"change": "2", "drop": None, "new": "3", "absent": None})
        assert changed.tags == {"keep": "1", "change": "2", "new": "3"}
        read = registry.get(name, 1)
        assert read == changed
        assert (read.digest, read.created, read.metrics) == (made.digest, made.created, made.metrics)
        assert [found.version for found in registry.versions(name, tags={"change": "2"})] == [1]
        assert list(registry.versions(name, tags={"drop": None})) == []

    def test_an_alias_is_what_its_last_move_says(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        for _ in range(2):
            registry.register(name, artifact)
        first = registry.set_alias(name, "production", 1, who="ada", why="first")
        assert (first.sequence, first.from_version, first.to_version, first.who, first.why) == (
            1,
            None,
            1,
            "ada",
            "first",
        )
        second = registry.set_alias(name, "production", 2, who="bob", why="better")
        assert (second.sequence, second.from_version, second.to_version) == (2, 1, 2)
        assert registry.alias(name, "production") == 2
        assert resolve(registry, f"{name}@production").version == 2
        registry.set_alias(name, "qa", 2, who="bob", why="try")
        assert registry.aliases(name) == {"production": 2, "qa": 2}
        assert registry.get(name, 2).aliases == ("production", "qa")
        assert registry.get(name, 1).aliases == ()
        assert {found.version: found.aliases for found in registry.versions(name)} == {2: ("production", "qa"), 1: ()}
        back = registry.set_alias(name, "production", 1, who="ada", why="rollback")
        gone = registry.set_alias(name, "production", None, who="ada", why="stop")
        assert (gone.sequence, gone.from_version, gone.to_version) == (4, 1, None)
        assert registry.alias(name, "production") is None
        assert registry.aliases(name) == {"qa": 2}
        assert registry.history(name, "production") == [first, second, back, gone]
        assert len(registry.history(name)) == 5
        again = registry.set_alias(name, "production", 2, who="ada", why="again", expect=None)
        assert (again.sequence, again.from_version) == (5, None)

    def test_a_clock_that_is_behind_changes_no_order(
        self, registry: ModelRegistry, artifact: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.register(name, artifact)
        first = registry.set_alias(name, "production", 1, who="ada", why="first")
        monkeypatch.setattr("registry.models.clock", lambda: first.when - timedelta(hours=1))
        second = registry.set_alias(name, "production", 1, who="bob", why="from a machine an hour behind")
        assert registry.history(name) == [first, second]
        assert second.when == first.when  # the later move is not the earlier one

    def test_the_loser_of_a_race_learns_the_winner(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        for _ in range(3):
            registry.register(name, artifact)
        registry.set_alias(name, "production", 1, who="me", why="first", expect=None)
        registry.set_alias(name, "production", 2, who="winner", why="quick", expect=1)
        with pytest.raises(AliasMoved) as error:
            registry.set_alias(name, "production", 3, who="loser", why="slow", expect=1)
        assert error.value.winner == 2
        with pytest.raises(AliasMoved) as error:
            registry.set_alias(name, "production", 3, who="loser", why="slow", expect=None)
        assert error.value.winner == 2
        with pytest.raises(AliasMoved) as error:
            registry.set_alias(name, "qa", 3, who="loser", why="slow", expect=1)
        assert error.value.winner is None
        assert registry.alias(name, "production") == 2
        assert len(registry.history(name)) == 2

    def test_a_version_that_an_alias_names_stays(self, registry: ModelRegistry, artifact: Path, name: str) -> None:
        for _ in range(2):
            registry.register(name, artifact)
        registry.set_alias(name, "qa", 1, who="me", why="test")
        with pytest.raises(InUse, match="qa"):
            registry.delete(name, 1)
        assert registry.get(name, 1).version == 1
        registry.set_alias(name, "qa", 2, who="me", why="test")
        registry.delete(name, 1)
        with pytest.raises(NotFound):
            registry.get(name, 1)

    def test_a_number_is_never_given_again(
        self, registry: ModelRegistry, artifact: Path, name: str, tmp_path: Path
    ) -> None:
        for _ in range(3):
            registry.register(name, artifact)
        registry.delete(name, 3)
        registry.delete(name, 1)
        for number in (1, 3):
            for call in (
                lambda number=number: registry.get(name, number),
                lambda number=number: registry.delete(name, number),
                lambda number=number: registry.set_tags(name, number, {"a": "b"}),
                lambda number=number: registry.set_alias(name, "qa", number, who="me", why="test"),
                lambda number=number: registry.download(name, number, tmp_path / "out"),
            ):
                with pytest.raises(NotFound):
                    call()
        assert registry.latest(name).version == 2
        assert [found.version for found in registry.versions(name)] == [2]
        assert registry.register(name, artifact).version == 4

    @pytest.mark.parametrize("bad", BAD_NAMES, ids=ascii)
    def test_names_that_are_not_allowed(
        self, registry: ModelRegistry, artifact: Path, name: str, bad: str, tmp_path: Path
    ) -> None:
        for call in (
            lambda: registry.register(bad, artifact),
            lambda: registry.get(bad, 1),
            lambda: registry.latest(bad),
            lambda: registry.download(bad, 1, tmp_path / "out"),
            lambda: registry.set_alias(bad, "qa", 1, who="me", why="test"),
            lambda: registry.set_alias(name, bad, 1, who="me", why="test"),
            lambda: registry.alias(name, bad),
            lambda: registry.delete(bad, 1),
        ):
            with pytest.raises((InvalidName, NotFound)):
                call()
        with pytest.raises(InvalidName):
            registry.register(bad, artifact)

    @pytest.mark.parametrize("bad", BAD_VERSIONS, ids=repr)
    def test_versions_that_are_not_allowed(
        self, registry: ModelRegistry, artifact: Path, name: str, bad: int, tmp_path: Path
    ) -> None:
        registry.register(name, artifact)
        for call in (
            lambda: registry.get(name, bad),
            lambda: registry.download(name, bad, tmp_path / "out"),
            lambda: registry.delete(name, bad),
        ):
            with pytest.raises(InvalidName):
                call()

    @pytest.mark.parametrize(
        "reference", ["m:", "m:0", "m:01", "m:1e3", "m:-1", "m:1:2", "m:latest", "m:\u0661", "a/b:1"]
    )
    def test_references_that_are_not_allowed(self, registry: ModelRegistry, reference: str) -> None:
        with pytest.raises(InvalidName):
            resolve(registry, reference)

    def test_links_and_special_files_are_refused(
        self, registry: ModelRegistry, artifact: Path, name: str, tmp_path: Path
    ) -> None:
        link = tmp_path / "link"
        link.symlink_to(artifact)
        with pytest.raises(InvalidName, match="symbolic link"):
            registry.register(name, link)
        (artifact / "inner").symlink_to("/etc/passwd")
        with pytest.raises(InvalidName, match="symbolic link"):
            registry.register(name, artifact)
        assert list(registry.versions(name)) == []

    def test_an_empty_folder_is_refused(self, registry: ModelRegistry, name: str, tmp_path: Path) -> None:
        (tmp_path / "empty" / "inner").mkdir(parents=True)
        with pytest.raises(InvalidName):
            registry.register(name, tmp_path / "empty")

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True], ids=repr)
    def test_metrics_are_finite_numbers(self, registry: ModelRegistry, artifact: Path, name: str, value: float) -> None:
        with pytest.raises(InvalidName, match="mse"):
            registry.register(name, artifact, metrics={"mse": value})
        assert list(registry.versions(name)) == []

    def test_upkeep(self, registry: ModelRegistry, artifact: Path, other: Path, name: str, tmp_path: Path) -> None:
        registry.register(name, artifact)
        registry.register(name, other)
        report = registry.verify(name)
        assert (report.versions, report.problems) == (2, [])
        assert registry.collect(dry_run=True).problems == []
        assert registry.collect().problems == []
        assert tree_digest(registry.download(name, 1, tmp_path / "out")) == registry.get(name, 1).digest
