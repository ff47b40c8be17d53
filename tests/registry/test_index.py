"""The indexes: always right, and what they save does not come back with more versions."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.files.documents import encode
from registry.files.models import FileModelRegistry
from tests.registry.stores import WHO


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"model")
    return path


def fill(root: Path, artifact: Path, count: int) -> FileModelRegistry:
    """One registration, and copies of its document under other numbers, each with a tag of its own."""
    registry = FileModelRegistry(root)
    registry.register("m", artifact, tags={"n": "1", "odd": "yes"})
    folder = root / "models" / "m" / "versions"
    document = json.loads((folder / "1.json").read_text())
    for number in range(2, count + 1):
        tags = {"n": str(number), **({"odd": "yes"} if number % 2 else {})}
        (folder / f"{number}.json").write_bytes(encode({**document, "version": number, "tags": tags}))
    (folder / ".last").unlink()
    registry = FileModelRegistry(root)
    registry.set_alias("m", "qa", count // 2, **WHO)
    assert registry.latest("m").version == count
    return registry


def numbers(registry: FileModelRegistry, **tags: str | None) -> list[int]:
    return [version.version for version in registry.versions("m", tags=tags)]


def opened(monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any]) -> int:
    """How many files a call opens, folders and probes included."""
    count, real_open, real_lexists, real_scandir = 0, os.open, os.path.lexists, os.listdir

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return real(*arguments, **options)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counting(real_open))
        patch.setattr(os.path, "lexists", counting(real_lexists))
        patch.setattr(os, "listdir", counting(real_scandir))
        call()
    return count


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_cost_does_not_grow_with_the_number_of_versions(
    tmp_path: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    costs: dict[str, list[int]] = {}
    for count in (100, 1000):
        root = tmp_path / str(count)
        registry = fill(root, artifact, count)
        numbers(registry, n="7")
        calls: dict[str, Callable[[FileModelRegistry], Any]] = {
            "latest": lambda registry: registry.latest("m"),
            "by alias": lambda registry: registry.get("m", registry.alias("m", "qa") or 0),
            "by tag": lambda registry: numbers(registry, n="7"),
            "list": lambda registry: list(registry.versions("m", limit=10)),
            "register": lambda registry: registry.register("m", artifact),
            "alias": lambda registry: registry.set_alias("m", "qa", 7, **WHO),
        }
        for name, call in calls.items():
            if warm:
                call(registry)
            chosen = registry if warm else FileModelRegistry(root)
            costs.setdefault(name, []).append(opened(monkeypatch, lambda call=call, chosen=chosen: call(chosen)))
    for name, (few, many) in costs.items():
        assert many <= few + 10, f"{name}: {few} at 100 versions, {many} at 1000"


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"yes", b"no!", 1)),
        lambda path: path.write_bytes(b"\0" * 5000),
        lambda path: path.write_bytes(encode({"through": 10_000, "tags": {}, "unreadable": []})),
        lambda path: path.write_bytes(encode({"through": 100, "tags": {"n": [1]}, "unreadable": []})),
        lambda path: path.write_bytes(encode({"through": 100})),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    ],
)
def test_the_tag_file_can_be_thrown_away(tmp_path: Path, artifact: Path, damage: Callable[[Path], Any]) -> None:
    registry = fill(tmp_path / "store", artifact, 100)
    assert numbers(registry, odd=None) == list(range(99, 0, -2))
    path = tmp_path / "store" / "models" / "m" / ".tags"
    assert path.is_file()
    damage(path)
    fresh = FileModelRegistry(tmp_path / "store")
    assert numbers(fresh, odd="yes") == list(range(99, 0, -2))
    assert numbers(fresh, n="50") == [50]
    assert fresh.verify().problems == []


@pytest.mark.parametrize("seed", range(4))
def test_indexes_are_always_right(tmp_path: Path, artifact: Path, seed: int) -> None:
    """Random changes through two registries; a third that was open all along and a fresh one see the same."""
    chance = random.Random(seed)
    root = tmp_path / "store"
    writers, watcher = [FileModelRegistry(root), FileModelRegistry(root)], FileModelRegistry(root)
    truth: dict[int, dict[str, str]] = {}
    for step in range(120):
        writer = chance.choice(writers)
        tags = {chance.choice("abc"): chance.choice("xyz") for _ in range(chance.randrange(3))}
        if not truth or chance.random() < 0.5:
            truth[writer.register("m", artifact, tags=tags).version] = tags
        elif chance.random() < 0.7:
            number = chance.choice(list(truth))
            gone = {key: None for key in truth[number] if chance.random() < 0.3}
            truth[number] = {
                key: value for key, value in {**truth[number], **tags, **gone}.items() if value is not None
            }
            writer.set_tags("m", number, {**tags, **gone})
        else:
            number = chance.choice(list(truth))
            del truth[number]
            writer.delete("m", number)
        if step % 20 == 0:  # as if the changes were older than any clock tick
            old = time.time() - 10
            for folder in (root / "models" / "m" / "state",):
                if folder.exists() and chance.random() < 0.5:
                    os.utime(folder, (old - step, old - step))
        for reader in (watcher, FileModelRegistry(root) if step % 10 == 0 else watcher):
            key, value = chance.choice("abc"), chance.choice(["x", "y", "z", None])
            wanted = [n for n in sorted(truth, reverse=True) if key in truth[n] and value in (None, truth[n][key])]
            assert numbers(reader, **{key: value}) == wanted
            assert [(found.version, found.tags) for found in reader.versions("m")] == sorted(
                truth.items(), reverse=True
            )


def test_two_changes_within_one_tick_of_the_clock(tmp_path: Path, artifact: Path) -> None:
    """Many file systems keep times in steps: the second change leaves the folder's time as it was."""
    registry, other = fill(tmp_path / "store", artifact, 10), FileModelRegistry(tmp_path / "store")
    states, moment = tmp_path / "store" / "models" / "m" / "state", time.time()
    for number, value in ((3, "a"), (4, "b"), (3, "c")):
        other.set_tags("m", number, {"n": value})
        os.utime(states, (moment, moment))
        os.utime(states / f"{number}.json", (moment, moment))
        assert numbers(registry, n=value) == [number]
        assert {found.version: found.tags["n"] for found in registry.versions("m")}[number] == value
    other.delete("m", 4)
    os.utime(states, (moment, moment))
    assert 4 not in numbers(registry)
