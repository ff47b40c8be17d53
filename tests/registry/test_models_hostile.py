"""Bad input, and bad places for a store: refused, named, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import Conflict, Corrupt, InvalidName, RegistryError, Unavailable
from registry.files.models import FileModelRegistry
from tests.registry.stores import WHO, artifact, registry, root

__all__ = ["artifact", "registry", "root"]


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


def test_a_file_that_cannot_be_read(registry: FileModelRegistry, artifact: Path) -> None:
    (artifact / "a.bin").chmod(0)
    if os.access(artifact / "a.bin", os.R_OK):
        pytest.skip("this user may read everything")
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


# ---- the place --------------------------------------------------------------------------------------------------


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
        if not os.access(copy, os.W_OK):  # not so for root
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
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RegistryError):
            FileModelRegistry(place).register("m", artifact)


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
