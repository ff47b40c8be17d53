"""Kill a writer at every system call of every write operation, from outside; then audit what is left."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.operations import OPERATIONS, sources

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # hundreds of processes; a busy machine takes its time
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to kill a process at a system call"),
]


@pytest.fixture(scope="module")
def forker() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.registry.forker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait(timeout=10)


def traced(forker: subprocess.Popen[str], name: str, root: Path, work: Path, *options: str) -> tuple[int, bool]:
    """Run an operation under strace. Returns its exit code and whether it was acknowledged."""
    gate, done = root.parent / "gate", root.parent / "done"
    os.mkfifo(gate)
    forker.stdin.write(f"{name} {root} {work} {gate} {done}\n")
    forker.stdin.flush()
    pid = int(forker.stdout.readline())
    tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    try:
        said = tracer.stderr.readline()
        if "attached" not in said:
            pytest.fail(f"strace cannot attach to a process here: {said}{tracer.stderr.read()}")
        opened = os.open(gate, os.O_RDWR)  # waits for nobody: the child may be dead
        code = int(forker.stdout.readline())
        os.close(opened)
    finally:
        tracer.wait(timeout=30)
        tracer.stderr.close()
    return code, done.exists()


def calls(trace: Path) -> list[tuple[str, int]]:
    """All system calls of a trace: the name, and how many calls of that name there were by then."""
    counts: Counter[str] = Counter()
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        if match := re.match(r"([a-z0-9_]+)\(", line):
            counts[match[1]] += 1
            found.append((match[1], counts[match[1]]))
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_every_system_call(forker: subprocess.Popen[str], tmp_path: Path, name: str) -> None:
    operation, work = OPERATIONS[name], tmp_path / "work"
    sources(work)
    base, ideal, trial = tmp_path / "base", tmp_path / "ideal", tmp_path / "trial"
    if operation.prepare:
        operation.prepare(base, work)
    before = operation.read(base)

    def fresh(folder: Path) -> Path:
        folder.mkdir()
        if operation.prepare:
            shutil.copytree(base, folder / "store")
        return folder / "store"

    root = fresh(ideal)
    assert traced(forker, name, root, work, "-o", str(tmp_path / "trace")) == (0, True)
    after = operation.read(root)
    kills, all_calls = 0, calls(tmp_path / "trace")
    for position, (call, count) in enumerate(all_calls):
        root = fresh(trial)
        options = ("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}")
        code, acknowledged = traced(forker, name, root, work, *options)
        assert code in (0, -9)
        kills += code == -9
        try:
            operation.audit(root, work, name, before, after, acknowledged)
        except Exception as error:
            raise AssertionError(f"{name!r} killed at system call {position}, {call} number {count}") from error
        shutil.rmtree(trial)
    # Calls for memory may differ from run to run; all others come again, and the kill with them.
    assert kills >= 0.9 * len(all_calls) - 3
    assert kills > 25
