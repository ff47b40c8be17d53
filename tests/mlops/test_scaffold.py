"""``mlops init``: what a new project has, and what is left when it cannot be written."""

from __future__ import annotations

import ast
import errno
import shutil
from pathlib import Path

import pytest

from mlops import scaffold
from mlops.__main__ import run
from mlops.exit_codes import ExitCode


def imports(path: Path) -> set[str]:
    """Modules of the project's tests that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
    return {name for name in found if name.partition(".")[0] in ("tests", "integration")}


def test_a_project_without_the_sample_has_only_tests_that_can_be_imported(tmp_path: Path) -> None:
    scaffold.make("mine", tmp_path / "mine", sample=False)
    root = tmp_path / "mine"
    for path in (root / "tests").rglob("*.py"):
        for name in imports(path):
            place = root.joinpath(*name.split("."))
            assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), f"{path} imports {name}"
    kept = {path.relative_to(root / "tests").parts[0] for path in (root / "tests").rglob("test_*.py")}
    assert {"test_project.py", "registry", "deploy", "fakes", "mlops"} <= kept
    assert not (root / "tests" / "pipeline").exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_project_that_cannot_be_written_leaves_nothing(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target, copy = tmp_path / "mine", shutil.copy2
    if there:
        target.mkdir()

    def full(source: Path, to: Path) -> None:
        if Path(to).name == "Makefile":
            raise OSError(errno.ENOSPC, "No space left on device", str(to))
        copy(source, to)

    monkeypatch.setattr(shutil, "copy2", full)
    assert run(["init", "mine", "--directory", str(target)]) == ExitCode.UNAVAILABLE
    error = capsys.readouterr().err
    assert f"cannot be written to {target}: No space left on device" in error
    assert "next: choose another folder" in error
    assert list(tmp_path.iterdir()) == ([target] if there else [])
    assert not there or list(target.iterdir()) == []
