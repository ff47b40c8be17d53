"""Record every write operation and replay it with a power loss at each step; then audit what is left."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.registry.operations import OPERATIONS, sources
from tests.registry.replay import Disk, read_trace, write_tree
from tests.registry.test_crash_kill import forker, traced

__all__ = ["forker"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # hundreds of processes; a busy machine takes its time
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to record system calls"),
]
CALLS = "openat,close,read,write,pwrite64,lseek,ftruncate,fsync,fdatasync,mkdir,rename,link,unlink"
BOUND = {"import": 5, "first": 16}
"""Trees tried at each step of an operation (else 32); all of them when there are not more."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_power_loss_at_every_step(forker: subprocess.Popen[str], tmp_path: Path, name: str) -> None:
    operation, work = OPERATIONS[name], tmp_path / "work"
    sources(work)
    root = tmp_path / "record" / "store"
    root.parent.mkdir()
    if operation.prepare:
        operation.prepare(root, work)
    before = operation.read(root)
    disk = Disk(root)
    options = ("-xx", "-s", "10000000", "-e", f"trace={CALLS}", "-o", str(tmp_path / "trace"))
    assert traced(forker, name, root, work, *options) == (0, True)
    after = operation.read(root)
    chance = random.Random(name)
    tried: set[int] = set()
    acknowledged = False
    done = "".join(f"\\x{byte:02x}" for byte in str(root.parent / "done").encode())
    calls = read_trace((tmp_path / "trace").read_text())
    for position, (call, arguments, result) in enumerate(calls):
        changed = disk.apply(call, arguments, result)
        if call == "openat" and done in arguments:
            acknowledged = changed = True
        if not changed or not disk.present:
            continue
        for tree in disk.losses(BOUND.get(name, 32), chance):
            key = hash((acknowledged, frozenset(tree.items())))
            if key in tried:
                continue
            tried.add(key)
            trial = tmp_path / "trial"
            trial.mkdir()
            write_tree(tree, trial / "store")
            try:
                operation.audit(trial / "store", work, name, before, after, acknowledged)
            except Exception as error:
                state = "\n".join(f"{path}: {data!r:.200}" for path, data in sorted(tree.items()))
                raise AssertionError(
                    f"{name!r}, power lost after call {position} ({call} {arguments})\n{state}"
                ) from error
            shutil.rmtree(trial)
    assert acknowledged
    assert len(tried) > 3
