"""Calls that fail: a full disk, a file system without links or locks, a read error. The store stays as it was."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from registry.errors import Unavailable
from registry.files.data import FileDataSets
from registry.files.models import FileModelRegistry
from registry.files.runs import FileRunHistory
from tests.registry.forker import REFUSED
from tests.registry.operations import OPERATIONS, sources
from tests.registry.test_crash_kill import calls, forker, traced

__all__ = ["forker"]

strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to let system calls fail")

# Which error each call may give; what the message must then say.
FAULTS = [
    ("write", "ENOSPC", "no space left"),
    ("write", "EDQUOT", "quota"),
    ("write", "EIO", "Input/output error"),
    ("fsync", "EIO", "Input/output error"),
    ("link", "EPERM", "not permitted"),
    ("link", "EOPNOTSUPP", "cannot do this"),
    ("rename", "ENOSPC", "no space left"),
    ("rename", "EXDEV", "several file systems"),
    ("mkdir", "EROFS", "read-only"),
    ("mkdir", "EACCES", "permission denied"),
    ("mkdir", "EDQUOT", "quota"),
    ("flock", "ENOLCK", "no locks"),
    ("ftruncate", "EIO", "Input/output error"),
]
NAMES = [
    "first",
    "register",
    "alias",
    "new-alias",
    "tags",
    "delete",
    "data-register",
    "run-first",
    "run-metric",
    "run-upload",
]


@strace
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_a_call_that_fails(forker: subprocess.Popen[str], tmp_path: Path, name: str) -> None:
    operation, work = OPERATIONS[name], tmp_path / "work"
    sources(work)
    base, trial = tmp_path / "base", tmp_path / "trial"
    if operation.prepare:
        operation.prepare(base, work)
    before = operation.read(base)

    def fresh(folder: Path) -> Path:
        folder.mkdir()
        if operation.prepare:
            shutil.copytree(base, folder / "store")
        return folder / "store"

    root = fresh(tmp_path / "ideal")
    assert traced(forker, name, root, work, "-o", str(tmp_path / "trace")) == (0, True)
    after = operation.read(root)
    made = calls(tmp_path / "trace")
    refused = 0
    for call, error, text in FAULTS:
        for _, number in [each for each in made if each[0] == call]:
            root = fresh(trial)
            options = ("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}")
            code, acknowledged = traced(forker, name, root, work, *options)
            assert code in (0, REFUSED), f"{call} number {number} with {error}: exit code {code}"
            if code == REFUSED:
                refused += 1
                said = (trial / "done.error").read_text()
                assert said.startswith("Unavailable: could not "), said
                assert text in said
            try:
                operation.audit(root, work, name, before, after, acknowledged)
            except Exception as failure:
                raise AssertionError(f"{name!r}: {call} number {number} failed with {error}") from failure
            shutil.rmtree(trial)
    assert refused > 3


def _open(kind: str, root: Path, path: Path) -> Any:
    if kind == "models":
        return FileModelRegistry(root).register("m", path)
    return FileDataSets(root).register("d", path) if kind == "data" else FileRunHistory(root).start("e")


@pytest.mark.parametrize("kind", ["models", "data", "runs"])
@pytest.mark.parametrize(
    ("module", "call", "fake", "text"),
    [
        (
            os,
            "link",
            lambda *arguments: (_ for _ in ()).throw(PermissionError(1, "Operation not permitted")),
            "hard links",
        ),
        (os, "link", lambda source, target: shutil.copyfile(source, target), "lets a link replace a file"),
        (fcntl, "flock", lambda *arguments: None, "one lock to two holders"),
        (fcntl, "flock", lambda *arguments: (_ for _ in ()).throw(OSError(37, "No locks available")), "no locks"),
    ],
    ids=["no links", "links that replace", "locks for all", "no locks"],
)
def test_a_file_system_without_the_guarantees_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, module: Any, call: str, fake: Any, text: str
) -> None:
    (tmp_path / "a.csv").write_text("a")
    with monkeypatch.context() as patch:
        patch.setattr(module, call, fake)
        with pytest.raises(Unavailable) as error:
            _open(kind, tmp_path / "store", tmp_path / "a.csv")
    assert text in f"{error.value} {error.value.hint}"
    assert not (tmp_path / "store" / "store.json").exists()
    _open(kind, tmp_path / "store", tmp_path / "a.csv")
