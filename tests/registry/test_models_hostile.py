"""Bad input, damaged files and strangers in the store: named, and nothing else is hidden or lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import Conflict, Corrupt, InvalidName, NewerSchema, NotFound, RegistryError, Unavailable
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from tests.registry.sealed import reseal

WHO = {"who": "me", "why": "test"}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 3_000_000)
    (folder / "b.json").write_text("{}")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def registry(root: Path, artifact: Path) -> FileModelRegistry:
    """Three versions, one alias."""
    registry = FileModelRegistry(root)
    for number in range(1, 4):
        registry.register("m", artifact, tags={"n": str(number)})
    registry.set_alias("m", "qa", 3, **WHO)
    return registry


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a document, as somebody would who knows the format; ``None`` removes one."""
    path.write_bytes(reseal(path.read_bytes(), changes))


# ---- what is registered -----------------------------------------------------------------------------------------


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "fifo": os.mkfifo,
    "socket": _socket,
    "link to a file": lambda path: path.symlink_to("a.bin"),
    "link outside": lambda path: path.symlink_to("/etc/passwd"),
    "link to nothing": lambda path: path.symlink_to("absent"),
    "loop": lambda path: path.symlink_to("."),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_files_are_refused_at_once(registry: FileModelRegistry, artifact: Path, kind: str) -> None:
    SPECIAL[kind](artifact / "inner")
    for path in (artifact, artifact / "inner"):
        with pytest.raises(InvalidName, match="inner is a"):
            registry.register("m", path)
    assert registry.latest("m").version == 3
    assert list((registry.store.root / "staging").iterdir()) == []


def test_devices_are_refused(registry: FileModelRegistry) -> None:
    with pytest.raises(InvalidName, match="device"):
        registry.register("m", Path("/dev/zero"))


def test_a_hard_link_is_a_file_like_any_other(registry: FileModelRegistry, artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("first")
    (artifact / "hard").hardlink_to(tmp_path / "outside")
    made = registry.register("m", artifact)
    (tmp_path / "outside").write_text("changed")
    assert (registry.download("m", made.version, tmp_path / "out") / "hard").read_text() == "first"


@pytest.mark.parametrize(
    "name",
    ["back\\slash", "new\nline", "C:colon", "trailing.", "trailing ", "NUL", "com1.txt", b"\xff\xfe", "\x7f"],
    ids=ascii,
)
def test_file_names_that_some_system_cannot_store(
    registry: FileModelRegistry, artifact: Path, name: str | bytes
) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(artifact), os.fsencode(name)))).write_text("x")
    with pytest.raises(InvalidName):
        registry.register("m", artifact)


@pytest.mark.parametrize("names", [("x", "X"), ("\u00e9", "e\u0301"), ("D/x", "d/y")], ids=ascii)
def test_file_names_that_some_system_takes_for_one(
    registry: FileModelRegistry, artifact: Path, names: tuple[str, str]
) -> None:
    for name in names:
        (artifact / name).parent.mkdir(exist_ok=True)
        (artifact / name).write_text("x")
    if names == ("D/x", "d/y"):  # two folders that become one: their files do not meet
        registry.register("m", artifact)
    else:
        with pytest.raises(InvalidName, match="differ only"):
            registry.register("m", artifact)


def test_the_store_itself_is_no_artifact(registry: FileModelRegistry, root: Path) -> None:
    for path in (root, root.parent):
        with pytest.raises(InvalidName, match="holds the store"):
            registry.register("m", path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(registry: FileModelRegistry, artifact: Path) -> None:
    (artifact / "a.bin").chmod(0)
    with pytest.raises(InvalidName, match="Permission denied"):
        registry.register("m", artifact)


def test_unusual_names_and_texts_come_back(registry: FileModelRegistry, tmp_path: Path) -> None:
    folder = tmp_path / "models \u00fc"
    folder.mkdir()
    for name in ("spaced name", "\u6a21\u578b.bin", "-rf", ".hidden", "%2e%2e", "a" * 200):
        (folder / name).write_text(name)
    tags = {f"key {number}": f"value\n=,{number}\t\u00fc" for number in range(10_000)}
    made = registry.register("m", folder, tags=tags, description="two\nlines")
    assert registry.get("m", made.version).tags == tags
    assert registry.get("m", made.version).description == "two\nlines"
    assert [found.version for found in registry.versions("m", tags={"key 9999": None})] == [made.version]
    got = registry.download("m", made.version, tmp_path / "out")
    assert {path.name: path.read_text() for path in got.iterdir()} == {
        path.name: path.name for path in folder.iterdir()
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": {"": "x"}},
        {"tags": {"a\n": "x"}},
        {"tags": {"a": 1}},
        {"tags": {"a": "\ud800"}},
        {"tags": {"a": "\0"}},
        {"tags": {"k" * 257: "x"}},
        {"tags": {"a": "x" * 100_001}},
        {"properties": {"a": None}},
        {"description": "\0"},
        {"description": 1},
        {"parameters": {"a": object()}},
        {"parameters": {"a": float("nan")}},
        {"parameters": {"a": "\ud800"}},
        {"metrics": {"a": 10**400}},
    ],
)
def test_values_that_cannot_be_kept(registry: FileModelRegistry, artifact: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidName):
        registry.register("m", artifact, **fields)
    assert registry.latest("m").version == 3


def test_what_is_read_cannot_be_changed(registry: FileModelRegistry) -> None:
    version = next(registry.versions("m"))
    for change in (lambda: version.tags.update(n="9"), lambda: version.metrics.__setitem__("a", 1.0)):
        with pytest.raises(TypeError):
            change()
    assert next(registry.versions("m")).tags == {"n": "3"}


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


# ---- the place --------------------------------------------------------------------------------------------------


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


def test_a_lock_file_that_somebody_left_locks_nothing(registry: FileModelRegistry, root: Path) -> None:
    (root / "models" / "m" / "lock").write_text("99999999")
    (root / "lock").write_text("99999999")
    began = time.monotonic()
    registry.set_alias("m", "qa", 1, **WHO)
    registry.collect()
    assert time.monotonic() - began < 30


def test_a_read_only_copy_can_be_read(registry: FileModelRegistry, root: Path, tmp_path: Path, artifact: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for name in ("lock", "models/m/lock", "models/m/versions/.last", "models/m/aliases/qa/.last"):
        (copy / name).unlink()
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        reader = FileModelRegistry(copy)
        assert list(reader.versions()) == list(registry.versions())
        assert reader.latest("m") == registry.latest("m")
        assert reader.history("m") == registry.history("m")
        assert reader.download("m", 1, tmp_path / "out").is_dir()
        assert reader.verify().problems == []
        if os.geteuid() != 0:
            assert reader.export(tmp_path / "copy.tar") == 3
            for call in (
                lambda: reader.register("m", artifact),
                lambda: reader.set_alias("m", "qa", 1, **WHO),
                lambda: reader.collect(),
            ):
                with pytest.raises(Unavailable, match="permission denied"):
                    call()
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)


def test_the_root_cannot_be_a_file(tmp_path: Path, artifact: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RegistryError):
            FileModelRegistry(root).register("m", artifact)


def test_a_lost_format_file_is_named(registry: FileModelRegistry, root: Path, artifact: Path) -> None:
    (root / "store.json").unlink()
    for call in (lambda r: r.names(), lambda r: r.register("m", artifact)):
        with pytest.raises(Corrupt, match=r"no store\.json"):
            call(FileModelRegistry(root))


def test_download_needs_a_free_place(registry: FileModelRegistry, tmp_path: Path) -> None:
    for make in (lambda path: path.mkdir(), lambda path: path.symlink_to("absent"), lambda path: path.touch()):
        target = tmp_path / os.urandom(4).hex()
        target.mkdir()
        make(target / "model")
        with pytest.raises(Conflict):
            registry.download("m", 1, target)
        assert [path.name for path in target.iterdir()] == ["model"]
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        registry.download("m", 1, tmp_path / "file")
