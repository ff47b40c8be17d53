"""Many processes at one store at once."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from registry.digests import tree_digest
from registry.errors import AliasMoved, InUse, InvalidName, NotFound
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from registry.files.store import Writer

pytestmark = pytest.mark.slow

PROCESSES = 8
WHO = {"who": "me", "why": "test"}


def at_once(jobs: list[tuple[Any, ...]], function: Callable[..., Any]) -> list[Any]:
    """Call `function` with each of `jobs` in a process of its own; all begin together."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(len(jobs), mp_context=context) as pool:
        barrier = manager.Barrier(len(jobs))
        return [done.result(timeout=120) for done in [pool.submit(_begin, barrier, function, job) for job in jobs]]


def _begin(barrier: Any, function: Callable[..., Any], job: tuple[Any, ...]) -> Any:
    barrier.wait()
    return function(*job)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(os.urandom(5000))
    return folder


def _register(root: Path, artifact: Path, count: int) -> list[int]:
    registry = FileModelRegistry(root)
    return [registry.register("m", artifact, tags={"pid": str(os.getpid())}).version for _ in range(count)]


def test_versions_are_unique_and_dense(tmp_path: Path, artifact: Path) -> None:
    got = at_once([(tmp_path / "store", artifact, 12)] * PROCESSES, _register)
    assert sorted(number for each in got for number in each) == list(range(1, 12 * PROCESSES + 1))
    assert all(each == sorted(each) for each in got)
    registry = FileModelRegistry(tmp_path / "store")
    found = list(registry.versions("m"))
    assert [version.version for version in found] == list(range(12 * PROCESSES, 0, -1))
    assert {version.digest for version in found} == {tree_digest(artifact)}
    report = registry.verify()
    assert (report.problems, report.versions) == ([], 12 * PROCESSES)
    assert list((tmp_path / "store" / "staging").iterdir()) == []


def _register_and_count(root: Path, artifact: Path, count: int) -> int:
    written = 0
    write = Writer.write

    def counting(writer: Writer, data: bytes) -> None:
        nonlocal written
        written += 1
        write(writer, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "write", counting)
        _register(root, artifact, count)
    return written


def test_a_document_is_written_at_most_twice_however_many_register(tmp_path: Path, artifact: Path) -> None:
    """Once beside the others, and once more under the lock if its number was taken meanwhile."""
    FileModelRegistry(tmp_path / "store").register("m", artifact)
    written = at_once([(tmp_path / "store", artifact, 10)] * PROCESSES, _register_and_count)
    assert all(10 <= each <= 20 for each in written)


def _register_own(root: Path, source: Path, count: int) -> list[tuple[int, str]]:
    registry, done = FileModelRegistry(root), []
    for number in range(count):
        path = source / f"{os.getpid()}.bin"
        path.write_bytes(b"%d %d " % (os.getpid(), number) * 20_000)
        version = registry.register("m", path, description=tree_digest(path))
        done.append((version.version, version.digest))
    (source / f"{os.getpid()}.done").touch()
    return done


def _read(root: Path, source: Path, writers: int) -> int:
    registry, seen = FileModelRegistry(root), 0
    while len(list(source.glob("*.done"))) < writers:
        try:
            latest = registry.latest("m")
        except NotFound:
            assert seen == 0
            continue
        assert latest.version >= seen
        assert latest.description == latest.digest
        seen = latest.version
        listed = [version.version for version in FileModelRegistry(root).versions("m")]
        assert listed == list(range(len(listed), 0, -1))
        assert len(listed) >= seen
        path = registry.download("m", seen, source / f"out-{os.getpid()}-{seen}-{os.urandom(4).hex()}")
        assert tree_digest(path) == latest.digest
    return seen


def _job(kind: str, *arguments: Any) -> Any:
    return {"write": _register_own, "read": _read, "collect": _collect}[kind](*arguments)


def test_a_reader_never_sees_half_a_version(tmp_path: Path) -> None:
    root, source = tmp_path / "store", tmp_path / "source"
    source.mkdir()
    jobs = [("write", root, source, 12)] * 4 + [("read", root, source, 4)] * 3
    got = at_once(jobs, _job)
    assert sorted(number for each in got[:4] for number, _ in each) == list(range(1, 49))
    assert all(seen > 0 for seen in got[4:])


def _collect(root: Path, source: Path, writers: int) -> int:
    registry, rounds = FileModelRegistry(root), 0
    while len(list(source.glob("*.done"))) < writers:
        registry.collect()
        rounds += 1
    return rounds


def test_collection_takes_nothing_from_writers(tmp_path: Path) -> None:
    root, source = tmp_path / "store", tmp_path / "source"
    source.mkdir()
    got = at_once([("write", root, source, 15)] * 4 + [("collect", root, source, 4)] * 2, _job)
    registry = FileModelRegistry(root)
    report = registry.verify()
    assert (report.problems, report.versions) == ([], 60)
    for number, digest in [item for each in got[:4] for item in each]:
        assert registry.get("m", number).digest == digest
    assert max(got[4:]) > 1


def _alias(root: Path, version: int, expect: int | None) -> int | tuple[str, int | None]:
    try:
        FileModelRegistry(root).set_alias("m", "production", version, who=str(version), why="race", expect=expect)
    except AliasMoved as error:
        return str(error), error.winner
    return version


def test_one_wins_an_alias_and_the_others_learn_who(tmp_path: Path, artifact: Path) -> None:
    registry = FileModelRegistry(tmp_path / "store")
    for _ in range(PROCESSES):
        registry.register("m", artifact)
    expect: int | None = None
    for turn in range(1, 3):
        contenders = [number for number in range(1, PROCESSES + 1) if number != expect]
        got = at_once([(tmp_path / "store", number, expect) for number in contenders], _alias)
        won = [each for each in got if isinstance(each, int)]
        assert won == [registry.alias("m", "production")]
        assert {each[1] for each in got if not isinstance(each, int)} == set(won)
        assert all(f"moved by {won[0]}" in each[0] for each in got if not isinstance(each, int))
        moves = registry.history("m", "production")
        assert [move.to_version for move in moves][-1] == won[0]
        assert len(moves) == turn
        expect = won[0]


def _alias_often(root: Path, version: int, count: int) -> None:
    registry = FileModelRegistry(root)
    for number in range(count):
        registry.set_alias("m", "candidate", version, who=str(version), why=str(number))


def test_every_move_is_kept(tmp_path: Path, artifact: Path) -> None:
    registry = FileModelRegistry(tmp_path / "store")
    for _ in range(4):
        registry.register("m", artifact)
    at_once([(tmp_path / "store", number, 10) for number in range(1, 5)], _alias_often)
    moves = registry.history("m", "candidate")
    assert [move.sequence for move in moves] == list(range(1, 41))
    assert {(move.who, move.why) for move in moves} == {(str(v), str(n)) for v in range(1, 5) for n in range(10)}
    assert all(after.from_version == before.to_version for before, after in pairwise(moves))


def _point_or_delete(root: Path, act: str, versions: list[int]) -> list[bool]:
    registry, done = FileModelRegistry(root), []
    for version in versions:
        try:
            if act == "delete":
                registry.delete("m", version)
            else:
                registry.set_alias("m", f"a{version}", version, **WHO)
        except (InUse, NotFound):
            done.append(False)
        else:
            done.append(True)
    return done


def test_an_alias_never_names_what_was_deleted_meanwhile(tmp_path: Path, artifact: Path) -> None:
    registry = FileModelRegistry(tmp_path / "store")
    versions = [registry.register("m", artifact).version for _ in range(40)]
    root = tmp_path / "store"
    pointed, deleted = at_once([(root, "point", versions), (root, "delete", versions)], _point_or_delete)
    assert [a != b for a, b in zip(pointed, deleted, strict=True)] == [True] * len(versions)
    assert registry.verify().problems == []


def _register_spelled(root: Path, artifact: Path, name: str) -> int | None:
    try:
        return FileModelRegistry(root).register(name, artifact).version
    except InvalidName:
        return None


def test_names_that_differ_in_case_do_not_meet(tmp_path: Path, artifact: Path) -> None:
    names = ["model", "Model", "MODEL", "mOdel"]
    got = at_once([(tmp_path / "store", artifact, name) for name in names], _register_spelled)
    assert sorted(got, key=str) == [1, None, None, None]
    assert FileModelRegistry(tmp_path / "store").names() == [names[got.index(1)]]


def _register_data(root: Path, path: Path) -> int:
    return FileDataSets(root).register("d", path).version


def test_equal_data_becomes_one_version(tmp_path: Path) -> None:
    (tmp_path / "same.csv").write_text("a\n1\n")
    assert at_once([(tmp_path / "data", tmp_path / "same.csv")] * PROCESSES, _register_data) == [1] * PROCESSES


def _log(root: Path, run_id: str, name: str, count: int) -> None:
    run = FileRunHistory(root).open(run_id)
    for number in range(count):
        run.log_metric(name, number, step=number)


def test_every_metric_of_many_writers_is_kept(tmp_path: Path) -> None:
    history = FileRunHistory(tmp_path / "runs")
    run = history.start("e")
    at_once([(tmp_path / "runs", run.id, f"m{number}", 20) for number in range(4)], _log)
    for number in range(4):
        assert history.metric(run.id, f"m{number}") == [(step, float(step)) for step in range(20)]


def test_threads_share_one_registry(tmp_path: Path, artifact: Path) -> None:
    registry, got = FileModelRegistry(tmp_path / "store"), []

    def work() -> None:
        for _ in range(5):
            got.append(registry.register("m", artifact, tags={"a": "b"}).version)
            assert len(list(registry.versions("m", tags={"a": "b"}))) >= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(got) == list(range(1, 41))
    assert len(list(registry.versions("m", tags={"a": "b"}))) == 40
