"""What every ``DataSets`` must do. An adapter's test module gives a ``data`` fixture and derives a class."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from registry.data import DataSets
from registry.digests import tree_digest
from registry.errors import Conflict, InvalidName, NotFound


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"set-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV file."""
    path = tmp_path / "source" / "table.csv"
    path.parent.mkdir()
    path.write_text("a,b\n1,2\n")
    return path


class DataSetsContract:
    """The suite."""

    def test_a_version_is_what_was_registered(self, data: DataSets, table: Path, name: str, tmp_path: Path) -> None:
        profile = {"rows": 1, "columns": {"a": {"mean": 1.5, "missing": 0}}, "names": ["a", "b"]}
        made = data.register(name, table, description="two columns", tags={"area": "health"}, profile=profile)
        assert (made.name, made.version, made.reference) == (name, 1, f"{name}:1")
        assert (made.digest, made.size) == (tree_digest(table), table.stat().st_size)
        assert (made.description, made.tags, made.profile) == ("two columns", {"area": "health"}, profile)
        assert data.get(name) == data.get(name, 1) == made
        got = data.download(name, 1, tmp_path / "out")
        assert got == tmp_path / "out" / "table.csv"
        assert got.read_bytes() == table.read_bytes()

    def test_equal_content_is_not_a_new_version(self, data: DataSets, table: Path, name: str) -> None:
        first = data.register(name, table)
        assert data.register(name, table) == first
        table.write_text("a,b\n3,4\n")
        second = data.register(name, table)
        assert (second.version, second.digest != first.digest) == (2, True)
        table.write_text("a,b\n1,2\n")
        assert data.register(name, table).version == 3
        assert data.get(name).version == 3
        assert [found.version for found in data.versions(name)] == [3, 2, 1]
        assert name in {found.name for found in data.versions()}

    def test_a_folder(self, data: DataSets, table: Path, name: str, tmp_path: Path) -> None:
        (table.parent / "inner").mkdir()
        (table.parent / "inner" / "more.csv").write_text("c\n")
        made = data.register(name, table.parent)
        assert made.digest == tree_digest(table.parent)
        got = data.download(name, 1, tmp_path / "out")
        assert got == tmp_path / "out" / "source"
        assert tree_digest(got) == made.digest

    def test_download_overwrites_nothing(self, data: DataSets, table: Path, name: str, tmp_path: Path) -> None:
        data.register(name, table)
        (tmp_path / "table.csv").write_text("mine")
        with pytest.raises(Conflict):
            data.download(name, 1, tmp_path)
        assert (tmp_path / "table.csv").read_text() == "mine"

    def test_what_is_not_there(self, data: DataSets, table: Path, name: str, tmp_path: Path) -> None:
        for call in (
            lambda: data.get(name),
            lambda: data.get(name, 1),
            lambda: data.download(name, 1, tmp_path / "out"),
            lambda: data.register(name, tmp_path / "absent"),
        ):
            with pytest.raises(NotFound):
                call()
        assert list(data.versions(name)) == []
        data.register(name, table)
        with pytest.raises(NotFound):
            data.get(name, 2)

    @pytest.mark.parametrize(
        "bad", ["", ".", "..", "a/b", "a\\b", "C:x", "a\0b", "x" * 256, "a.", "CON", "%2e%2e"], ids=ascii
    )
    def test_names_that_are_not_allowed(self, data: DataSets, table: Path, bad: str) -> None:
        with pytest.raises(InvalidName):
            data.register(bad, table)

    @pytest.mark.parametrize("bad", [0, -1, 10**20, True, "1", "01"], ids=repr)
    def test_versions_that_are_not_allowed(self, data: DataSets, table: Path, name: str, bad: int) -> None:
        data.register(name, table)
        with pytest.raises(InvalidName):
            data.get(name, bad)

    def test_links_are_refused(self, data: DataSets, table: Path, name: str) -> None:
        (table.parent / "link.csv").symlink_to(table)
        with pytest.raises(InvalidName):
            data.register(name, table.parent / "link.csv")
        with pytest.raises(InvalidName):
            data.register(name, table.parent)
