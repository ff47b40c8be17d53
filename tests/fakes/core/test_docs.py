"""The examples in docs/fakes.md run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "fakes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PROGRAMS = [block for block in BLOCKS if not block.startswith("# test_")]


def _run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.azure
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_program(tmp_path, number):
    (tmp_path / "first.py").write_text(PROGRAMS[number])
    last = _run(tmp_path, sys.executable, "first.py").splitlines()[-1]
    expected = {0: "iris:1 ['iris:1']", 1: "westeurope", 2: "fake-ws", 3: "[] 3"}
    assert last == expected[number]


def test_the_first_example_is_short():
    assert len([line for line in PROGRAMS[0].splitlines() if line.strip()]) <= 10


@pytest.mark.azure
def test_pytest_recipe(tmp_path):
    (block,) = [block for block in BLOCKS if block.startswith("# test_mine.py")]
    (tmp_path / "test_mine.py").write_text(block)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "fakes.pytest_plugin",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
    ]
    assert "1 passed" in _run(tmp_path, *command, "-W", "ignore", "test_mine.py")


def test_every_command_of_the_docs_exists():
    from fakes.doors.cli import _parser

    parser = _parser()
    for line in re.findall(r"python -m fakes (\w+)", TEXT):
        if line != "run":
            parser.parse_args([line])
