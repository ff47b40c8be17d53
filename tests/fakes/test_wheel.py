"""What a stranger installs: the fake alone, with the scoring host in it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fakes.wheel import ROOT, build, use


@pytest.mark.azure
@pytest.mark.slow
def test_the_wheel_holds_all_that_it_needs_and_works_outside_the_checkout(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    wheel = build(tmp_path / "wheel", "--no-build-isolation", "--no-index")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"fakes", wheel.name.rpartition("-py3")[0] + ".dist-info"}, "no tests, model or score of ours"
    assert {"fakes/_score/__main__.py", "fakes/services/page/static/index.html", "fakes/hosting/guard.py"} <= names
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(wheel)], check=True)
    printed = use(sys.executable, tmp_path / "work", PYTHONPATH=str(tmp_path / "site"))
    assert str(tmp_path / "site" / "fakes" / "__init__.py") in printed
    assert "scored 6" in printed and printed.rstrip().endswith("200")


def test_the_wheel_requires_what_the_lock_holds() -> None:
    """The image installs the lock, the wheel says what it needs: the same, the scoring host's libraries included."""
    text = (ROOT / "fakes" / "pyproject.toml").read_text()
    (line,) = re.findall(r"^dependencies = \[(.*)\]$", text, re.MULTILINE)
    locked = (ROOT / "requirements" / "fakes.in").read_text().splitlines()
    assert re.findall(r'"([^"]+)"', line) == [name for name in locked if name and not name.startswith("#")]
    assert {"flask", "httptools", "orjson"} <= set(locked)
