"""Export and import: while in use, verified, repeatable, and deaf to what a hostile archive asks for."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.errors import Conflict, Corrupt, NewerSchema, NotFound, RegistryError
from registry.files.models import FileModelRegistry
from tests.registry.sealed import reseal

WHO = {"who": "me", "why": "test"}
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 100_000)
    (folder / "b.json").write_text("{}")
    return folder


@pytest.fixture
def registry(tmp_path: Path, artifact: Path) -> FileModelRegistry:
    registry = FileModelRegistry(tmp_path / "store")
    for number in range(1, 4):
        (artifact / "b.json").write_text(str(number))
        registry.register("Long-" + "n" * 240, artifact, tags={"n": str(number)})
    registry.register("m", artifact / "a.bin")
    for number in (1, 2, 3):
        registry.set_alias("Long-" + "n" * 240, "a" * 200, number, **WHO)
    registry.set_tags("Long-" + "n" * 240, 3, {"n": "changed"})
    registry.delete("Long-" + "n" * 240, 2)
    return registry


@pytest.fixture
def archive(registry: FileModelRegistry, tmp_path: Path) -> Path:
    path = tmp_path / "export.tar"
    assert registry.export(path) == 3
    return path


def contents(registry: FileModelRegistry) -> Any:
    return list(registry.versions()), [registry.history(name) for name in registry.names()]


def test_everything_comes_back(registry: FileModelRegistry, archive: Path, tmp_path: Path, artifact: Path) -> None:
    other = FileModelRegistry(tmp_path / "other")
    assert other.import_(archive) == 4  # the deleted version too: its number stays taken
    assert contents(other) == contents(registry)
    assert other.verify().problems == []
    assert other.register("Long-" + "n" * 240, artifact).version == 4
    assert other.register("m", artifact).version == 2
    assert other.import_(archive) == 0


def test_what_came_after_the_export_stays(registry: FileModelRegistry, archive: Path, artifact: Path) -> None:
    registry.register("m", artifact)
    before = contents(registry)
    assert registry.import_(archive) == 0
    assert contents(registry) == before


def test_people_can_read_an_archive(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert names[0] == "export.json"
        assert "models/m/versions/1.json" in names
        assert all(
            hashlib.sha256(tar.extractfile(n).read()).hexdigest() == n[6:] for n in names if n.startswith("blobs/")
        )


def test_something_else_under_the_same_number_is_a_conflict(archive: Path, artifact: Path, tmp_path: Path) -> None:
    other = FileModelRegistry(tmp_path / "other")
    other.register("m", artifact)
    before = contents(other)
    with pytest.raises(Conflict, match=r"1\.json"):
        other.import_(archive)
    assert contents(other) == before


def test_export_while_in_use(registry: FileModelRegistry, artifact: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def work() -> None:
        writer = FileModelRegistry(tmp_path / "store")
        while not stop.is_set():
            made = writer.register("m", artifact)
            writer.set_alias("m", "candidate", made.version, **WHO)
            if made.version > 3:
                writer.delete("m", made.version - 2)
            writer.collect()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(8):
            path = tmp_path / f"{number}.tar"
            registry.export(path)
            other = FileModelRegistry(tmp_path / f"other-{number}")
            other.import_(path)
            assert other.verify().problems == []
            named = other.alias("m", "candidate")
            assert named is None or other.get("m", named).version == named
    finally:
        stop.set()
        thread.join(timeout=60)


# ---- hostile archives -------------------------------------------------------------------------------------------


def read(path: Path) -> Members:
    with tarfile.open(path) as tar:
        return [(entry, tar.extractfile(entry).read()) for entry in tar]


def write(members: Members, path: Path, **options: Any) -> None:
    with tarfile.open(path, options.pop("mode", "w"), **options) as tar:
        for entry, data in members:
            if entry.isreg() and not entry.issparse():
                entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def rename(members: Members, name: str) -> None:
    extra = tarfile.TarInfo(name)
    members.append((extra, b"evil"))


def special(members: Members, kind: bytes, link: str = "") -> None:
    extra = tarfile.TarInfo("models/m/versions/2.json")
    extra.type, extra.linkname = kind, link
    members.append((extra, b""))


def change(members: Members, path: str, **fields: Any) -> None:
    for place, (entry, data) in enumerate(members):
        if entry.name == path:
            members[place] = (entry, reseal(data, fields))


def blob(members: Members) -> int:
    return next(place for place, (entry, _) in enumerate(members) if entry.name.startswith("blobs/"))


def flip(members: Members, place: int) -> None:
    entry, data = members[place]
    members[place] = (entry, bytes([data[0] ^ 1]) + data[1:])


HOSTILE: dict[str, Callable[[Members], object]] = {
    "climbs": lambda members: rename(members, "../../evil"),
    "climbs inside": lambda members: rename(members, "models/../../evil"),
    "absolute": lambda members: rename(members, "/tmp/evil-import"),
    "backslash": lambda members: rename(members, "models\\..\\evil"),
    "drive": lambda members: rename(members, "C:/evil"),
    "other name": lambda members: rename(members, "README"),
    "lock": lambda members: rename(members, "lock"),
    "bad model name": lambda members: rename(members, "models/..%2f/versions/1.json"),
    "reserved model name": lambda members: rename(members, "models/con/versions/1.json"),
    "leading zero": lambda members: rename(members, "models/m/versions/01.json"),
    "huge number": lambda members: rename(members, f"models/m/versions/{10**20}.json"),
    "gap": lambda members: rename(members, "models/m/versions/3.json"),
    "twice": lambda members: members.append(members[1]),
    "symbolic link": lambda members: special(members, tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": lambda members: special(members, tarfile.LNKTYPE, "export.json"),
    "fifo": lambda members: special(members, tarfile.FIFOTYPE),
    "device": lambda members: special(members, tarfile.CHRTYPE),
    "folder": lambda members: special(members, tarfile.DIRTYPE),
    "sparse": lambda members: special(members, tarfile.GNUTYPE_SPARSE),
    "content changed": lambda members: members.__setitem__(blob(members), (members[blob(members)][0], b"evil")),
    "a byte changed": lambda members: flip(members, blob(members)),
    "content missing": lambda members: members.pop(blob(members)),
    "no header": lambda members: members.pop(0),
    "newer": lambda members: change(members, "export.json", schema_version=99),
    "other kind": lambda members: change(members, "export.json", kind="runs"),
    "foreign version": lambda members: change(members, "models/m/versions/1.json", version=2),
    "foreign name": lambda members: change(members, "models/m/versions/1.json", name="other"),
    "wrong digest": lambda members: change(members, "models/m/versions/1.json", digest="sha256:" + "0" * 64),
    "newer version": lambda members: change(members, "models/m/versions/1.json", schema_version=99),
    "alias of nothing": lambda members: change(
        members, f"models/long-{'n' * 240}/aliases/{'a' * 200}/3.json", to_version=9
    ),
    "state of nothing": lambda members: rename(members, "models/m/state/2.json"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_whole(archive: Path, tmp_path: Path, kind: str, artifact: Path) -> None:
    members = read(archive)
    HOSTILE[kind](members)
    write(members, tmp_path / "hostile.tar")
    other = FileModelRegistry(tmp_path / "deep" / "other")
    other.register("mine", artifact)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises((Corrupt, NewerSchema)):
        other.import_(tmp_path / "hostile.tar")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not Path("/tmp/evil-import").exists()
    assert other.names() == ["mine"]


def _truncate(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _claim(path: Path) -> None:
    """A header that claims 8 GiB in a file of some kilobytes."""
    data = bytearray(path.read_bytes())
    data[124:136] = b"77777777777\0"
    data[148:156] = b"        "
    data[148:156] = b"%06o\0 " % sum(data[:512])
    path.write_bytes(data)


FILES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "half a header": lambda path: _truncate(path, 100),
    "no end": lambda path: _truncate(path, 512 * 20),
    "in a file": lambda path: _truncate(path, path.stat().st_size - 10_240 - 700),
    "zeros": lambda path: path.write_bytes(b"\0" * 10_240),
    "text": lambda path: path.write_text("x" * 10_240),
    "a claim": _claim,
    "gzip": lambda path: write(read(path), path, mode="w:gz"),
    "xz": lambda path: write(read(path), path, mode="w:xz"),
    "zip": lambda path: (
        shutil.make_archive(str(path.with_suffix("")), "zip", path.parent / "source")
        and shutil.move(path.with_suffix(".zip"), path)
    ),
    "a bit": lambda path: path.write_bytes(path.read_bytes().replace(b"export.json", b"exporu.json", 1)),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_archive_is_refused_whole(archive: Path, tmp_path: Path, kind: str) -> None:
    FILES[kind](archive)
    other = FileModelRegistry(tmp_path / "other")
    with pytest.raises(Corrupt, match=r"export\.tar"):
        other.import_(archive)
    assert other.names() == []
    assert list((tmp_path / "other" / "staging").iterdir()) == []


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tar", tmp_path, tmp_path / "absent" / "x.tar"):
        with pytest.raises(NotFound):
            FileModelRegistry(tmp_path / "other").import_(path)


def test_an_export_overwrites_nothing_and_leaves_nothing(
    registry: FileModelRegistry, archive: Path, tmp_path: Path
) -> None:
    with pytest.raises(Conflict):
        registry.export(archive)
    with pytest.raises(RegistryError):
        registry.export(tmp_path / "absent" / "x.tar")
    assert not list(tmp_path.glob(".*partial"))
