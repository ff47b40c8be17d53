"""Damaged files and strangers in the store: named, and nothing else is hidden or lost."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.errors import Corrupt, NewerSchema, NotFound
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from tests.registry.stores import WHO, artifact, edit, registry, root

__all__ = ["artifact", "registry", "root"]


# ---- damaged documents ------------------------------------------------------------------------------------------

DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "zeros": lambda path: path.write_bytes(b"\0" * 500),
    "no JSON": lambda path: path.write_text("hello"),
    "not UTF-8": lambda path: path.write_bytes(b'{"a": "\xff"}'),
    "a list": lambda path: path.write_text("[]"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "no schema": lambda path: edit(path, schema_version=None),
    "schema is text": lambda path: edit(path, schema_version="1"),
    "foreign name": lambda path: edit(path, name="other"),
    "foreign version": lambda path: edit(path, version=7),
    "no digest": lambda path: edit(path, digest=None),
    "wrong digest": lambda path: edit(path, digest="sha256:" + "0" * 64),
    "wrong size": lambda path: edit(path, size=1),
    "no artifact": lambda path: edit(path, artifact=None),
    "bad time": lambda path: edit(path, created="yesterday"),
    "tags of numbers": lambda path: edit(path, tags={"a": 1}),
    "metrics of text": lambda path: edit(path, metrics={"a": "1"}),
    "bad lineage": lambda path: edit(path, lineage={"run_id": ["a"]}),
    "removed": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link": lambda path: (path.rename(path.with_suffix(".moved")), path.symlink_to(path.with_suffix(".moved"))),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


def test_no_changed_byte_goes_unseen(registry: FileModelRegistry, root: Path) -> None:
    path = root / "models" / "m" / "versions" / "2.json"
    data = path.read_bytes()
    unseen = []
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            registry.get("m", 2)
        except (Corrupt, NewerSchema):
            continue
        unseen.append(place)
    # "schema_version": 2 turned into 3 is newer; into another older one it would be 0, which no release wrote.
    assert unseen == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_version_is_named_and_hides_nothing(
    registry: FileModelRegistry,
    root: Path,
    artifact: Path,
    damage: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    backup = tmp_path / "backup.tar"
    registry.export(backup)
    path = root / "models" / "m" / "versions" / "2.json"
    before = path.read_text()
    DAMAGE[damage](path)
    registry = FileModelRegistry(root)
    with pytest.raises(Corrupt, match=r"2\.json"):
        registry.get("m", 2)
    with pytest.raises(Corrupt):
        registry.download("m", 2, tmp_path / "out")
    with caplog.at_level(logging.WARNING):
        assert [found.version for found in registry.versions("m")] == [3, 1]
    assert "2.json" in caplog.text
    assert [found.version for found in registry.versions("m", tags={"n": None})] == [3, 1]
    assert registry.names() == ["m"]
    assert registry.alias("m", "qa") == 3
    assert any("2.json" in problem for problem in registry.verify().problems)
    collected = registry.collect()
    assert collected.problems
    assert collected.blobs == []
    assert registry.register("m", artifact).version == 4
    if damage not in ("a folder", "a pipe", "a link"):
        registry.import_(backup)
        assert path.read_text() == before
        assert registry.verify().problems == []
    else:
        registry.delete("m", 2)
        with pytest.raises(NotFound):
            registry.get("m", 2)


def test_a_newer_schema_is_refused_and_hides_nothing(registry: FileModelRegistry, root: Path, artifact: Path) -> None:
    edit(root / "models" / "m" / "versions" / "3.json", schema_version=99)
    with pytest.raises(NewerSchema, match="99"):
        registry.get("m", 3)
    with pytest.raises(NewerSchema):
        registry.latest("m")
    assert [found.version for found in FileModelRegistry(root).versions("m")] == [2, 1]
    assert registry.collect().problems
    edit(root / "store.json", schema_version=99)
    for call in (lambda r: r.names(), lambda r: r.get("m", 1), lambda r: r.register("m", artifact)):
        with pytest.raises(NewerSchema):
            call(FileModelRegistry(root))


def test_a_store_of_another_kind_is_refused(registry: FileModelRegistry, root: Path, artifact: Path) -> None:
    for call in (
        lambda: FileDataSets(root).register("d", artifact),
        lambda: FileDataSets(root).get("d"),
        lambda: FileRunHistory(root).start("e"),
        lambda: list(FileRunHistory(root).search()),
    ):
        with pytest.raises(Corrupt, match="store of 'models'"):
            call()


@pytest.mark.parametrize(
    "path", ["../../../../evil", "/etc/evil", "a/../../evil", "..", "a\\..\\evil", "C:evil", "", "a\0b"]
)
def test_a_document_cannot_name_an_outside_path(
    registry: FileModelRegistry, root: Path, path: str, tmp_path: Path
) -> None:
    from registry import digests

    file = root / "models" / "m" / "versions" / "1.json"
    document = json.loads(file.read_text())
    for field in ("path", "name"):
        artifact = json.loads(json.dumps(document["artifact"]))
        if field == "path":
            artifact["files"][0]["path"] = path
        else:
            artifact["name"] = path
        digest = digests.combine({each["path"]: each["sha256"] for each in artifact["files"]})
        edit(file, artifact=artifact, digest=digest)
        with pytest.raises(Corrupt):
            registry.download("m", 1, tmp_path / "out" / "deep" / "er")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").rglob("*evil*"))
    assert not Path("/etc/evil").exists()


@pytest.mark.parametrize("damage", ["empty", "truncated", "no JSON", "foreign name", "removed"])
def test_a_damaged_promotion_log_is_named(registry: FileModelRegistry, root: Path, damage: str) -> None:
    registry.set_alias("m", "qa", 2, **WHO)
    registry.set_alias("m", "production", 1, **WHO)
    DAMAGE[damage](root / "models" / "m" / "aliases" / "qa" / "1.json")
    registry = FileModelRegistry(root)
    assert registry.alias("m", "qa") == 2
    with pytest.raises(Corrupt):
        registry.history("m", "qa")
    assert len(registry.history("m", "production")) == 1
    assert len(registry.verify().problems) == 1
    if damage != "removed":
        DAMAGE[damage](root / "models" / "m" / "aliases" / "qa" / "2.json")
        with pytest.raises(Corrupt):
            FileModelRegistry(root).alias("m", "qa")
        assert FileModelRegistry(root).alias("m", "production") == 1
        assert len(list(FileModelRegistry(root).versions("m"))) == 3


def test_strangers_in_the_store_are_reported_and_left_alone(registry: FileModelRegistry, root: Path) -> None:
    strangers = [
        root / "models" / "m" / "versions" / "01.json",
        root / "models" / "m" / "versions" / "1e3.json",
        root / "models" / "m" / "versions" / "4.json~",
        root / "models" / "m" / "README",
        root / "models" / "m" / "aliases" / "B\u00e4d",
    ]
    for path in strangers:
        path.write_text("{}")
    (root / "models" / ".DS_Store").write_text("x")
    (root / "blobs" / "readme.txt").write_text("x")
    assert [found.version for found in registry.versions()] == [3, 2, 1]
    assert len(registry.verify().problems) == len(strangers)
    registry.collect()
    assert all(path.exists() for path in strangers)
    assert (root / "blobs" / "readme.txt").exists()


def test_a_wrong_hint_costs_time_only(registry: FileModelRegistry, root: Path, artifact: Path) -> None:
    hint = root / "models" / "m" / "versions" / ".last"
    for text in ("00000000001\n", "99999999999\n", "-1\n", "", "\0" * 12, "rubbish", "0", "3" * 32):
        hint.write_text(text)
        assert FileModelRegistry(root).latest("m").version == 3
    hint.unlink()
    assert FileModelRegistry(root).latest("m").version == 3
    hint.symlink_to(root / "store.json")
    assert FileModelRegistry(root).register("m", artifact).version == 4
    assert json.loads((root / "store.json").read_text())["kind"] == "models"


# ---- content ----------------------------------------------------------------------------------------------------


def _blob(root: Path) -> Path:
    return max((root / "blobs").iterdir(), key=lambda path: path.stat().st_size)


CONTENT: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: (path.chmod(0o644), path.write_bytes(b"b" + path.read_bytes()[1:])),
    "truncated": lambda path: (path.chmod(0o644), path.write_bytes(path.read_bytes()[:-1])),
    "longer": lambda path: (path.chmod(0o644), path.write_bytes(path.read_bytes() + b"x")),
    "empty": lambda path: (path.chmod(0o644), path.write_bytes(b"")),
    "removed": lambda path: path.unlink(),
    "a link": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("damage", CONTENT)
def test_damaged_content_is_never_given_out(
    registry: FileModelRegistry, root: Path, artifact: Path, damage: str, tmp_path: Path
) -> None:
    CONTENT[damage](_blob(root))
    with pytest.raises(Corrupt, match=r"m:2.*a\.bin"):
        registry.download("m", 2, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert len(registry.verify().problems) == 3
    with pytest.raises(Corrupt):
        registry.export(tmp_path / "export.tar")
    assert list(tmp_path.glob("*export*")) == []
    assert registry.register("m", artifact).version == 4  # equal content mends it
    assert registry.verify().problems == []
    registry.download("m", 2, tmp_path / "out")


def test_leftovers_of_the_dead_are_collected_and_of_the_living_are_not(registry: FileModelRegistry, root: Path) -> None:
    from registry.files.store import Writer

    with Writer(registry.store) as writer:
        writer.write(b"{}")
        writer.spare().write_text("content")
        (root / "staging" / f"{'0' * 16}.json").write_text("dead")
        (root / "staging" / f"{'0' * 16}.1").write_text("dead")
        (root / "staging" / f"{'1' * 16}.7").write_text("its document was lost")
        (root / "staging" / "stranger").write_text("not ours")
        done = registry.collect()
        assert (len(done.staged), done.alive) == (3, 1)
        assert writer.path.exists()
    assert [path.name for path in (root / "staging").iterdir()] == ["stranger"]
