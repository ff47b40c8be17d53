"""Kill a writer at every system call of every write operation, from outside; then audit what is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.operations import OPERATIONS, sources

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to kill a process at a system call"),
]
MOST = 2000
"""More system calls than any operation makes."""


@pytest.fixture(scope="module")
def forker() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.registry.forker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.stdin.close()
    process.wait(timeout=10)


def run_and_kill(forker: subprocess.Popen[str], name: str, root: Path, work: Path, count: int) -> tuple[int, bool]:
    """Run an operation; kill it as it enters its system call number `count`. Returns exit code and acknowledgement."""
    gate, done = root.parent / "gate", root.parent / "done"
    os.mkfifo(gate)
    forker.stdin.write(f"{name} {root} {work} {gate} {done}\n")
    forker.stdin.flush()
    pid = int(forker.stdout.readline())
    command = ["strace", "-o", "/dev/null", "-e", f"inject=all:signal=KILL:when={count}", "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
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


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_at_every_system_call(forker: subprocess.Popen[str], tmp_path: Path, name: str) -> None:
    operation, work = OPERATIONS[name], tmp_path / "work"
    sources(work)
    base, ideal = tmp_path / "base", tmp_path / "ideal"
    if operation.prepare:
        operation.prepare(base, work)
        shutil.copytree(base, ideal)
    before = operation.read(base)
    operation.run(ideal, work)
    after = operation.read(ideal)
    kills = 0
    for count in range(1, MOST):
        root = tmp_path / "trial" / "store"
        root.parent.mkdir()
        if operation.prepare:
            shutil.copytree(base, root)
        code, acknowledged = run_and_kill(forker, name, root, work, count)
        assert code in (0, -9), f"system call {count}: exit code {code}"
        if code == 0:
            break
        kills += 1
        try:
            operation.audit(root, work, name, before, after, acknowledged)
        except Exception as error:
            raise AssertionError(f"killed at system call {count} of {name!r}") from error
        shutil.rmtree(root.parent)
    else:
        pytest.fail(f"{name!r} makes more than {MOST} system calls")
    assert kills > 15, "the kills did not reach the operation"
