"""Clean checkouts and clean ends of processes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rehearse.errors import RehearseError
from rehearse.run import process
from rehearse.run.workspace import Repository
from tests.fakes.jobs import alive
from tests.score.hosts import wait_for


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_copy_has_what_git_knows_and_its_history(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    git(source, "init", "-q")
    (source / "kept.sh").write_text("echo")
    (source / "kept.sh").chmod(0o755)
    (source / ".gitignore").write_text("junk\n")
    git(source, "add", ".")
    git(source, "commit", "-q", "-m", "first")
    (source / "kept.sh").write_text("echo changed")
    (source / "new").write_text("x")
    (source / "junk").write_text("x")
    repository = Repository(source)
    repository.check_out(copy)
    assert sorted(path.name for path in copy.iterdir()) == [".git", ".gitignore", "kept.sh", "new"]
    assert (copy / "kept.sh").read_text() == "echo changed"
    assert os.access(copy / "kept.sh", os.X_OK)
    assert git(copy, "rev-parse", "HEAD") == repository.revision() == git(source, "rev-parse", "HEAD")
    assert git(copy, "ls-files").splitlines() == [".gitignore", "kept.sh"]
    assert "kept.sh" in git(copy, "status", "--short")


def test_no_git_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(RehearseError, match="git init"):
        Repository(tmp_path).files()


@pytest.mark.parametrize("script", ["sleep 600 & echo $!; wait", "(trap '' INT; exec sleep 600) & echo $!; wait"])
def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path, script: str) -> None:
    lines: list[str] = []
    code = process.run(
        ["bash", "-c", script], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, line=lines.append, timeout=3.0
    )
    assert code == process.TIMED_OUT
    wait_for(lambda: not alive(int(lines[0])), "the end of what the command had started")


def test_exit_codes_and_lines_come_through(tmp_path: Path) -> None:
    lines: list[str] = []
    code = process.run(
        ["bash", "-c", "echo out; echo err >&2; exit 9"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        line=lines.append,
        timeout=30,
    )
    assert (code, sorted(lines)) == (9, ["err", "out"])
