"""The programs of docs/fakes-programs.md run unedited under the server door, and print what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "integration" / "programs"
PAGE = ROOT / "docs" / "fakes-programs.md"
TIMEOUT = 280

pytestmark = [pytest.mark.azure, pytest.mark.slow]


def rows() -> dict[str, list[str]]:
    """By program, the texts that the page says it prints."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and re.fullmatch(r"`\w+`", cells[0]):
            found[cells[0].strip("`")] = re.findall(r"`([^`]+)`", cells[2])
    return found


ROWS = rows()


def test_the_page_lists_every_program() -> None:
    assert sorted(ROWS) == sorted(path.parent.name for path in PROGRAMS.glob("*/main.py"))
    assert len(ROWS) >= 10
    assert all(ROWS.values())


def test_the_programs_know_nothing_of_the_fake() -> None:
    for path in PROGRAMS.rglob("*.py"):
        assert "fake" not in path.read_text(encoding="utf-8").lower(), path


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_program_runs_and_prints_what_the_page_says(name: str, tmp_path: Path) -> None:
    settings = Settings()
    config = {
        "subscription_id": settings.subscription_id,
        "resource_group": settings.resource_group,
        "workspace_name": settings.workspace_name,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AZUREML_", "AZURE_"))}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "fakes", "run", "--", sys.executable, str(PROGRAMS / name / "main.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    missing = [text for text in ROWS[name] if text not in done.stdout]
    assert not missing, f"{missing} is not in\n{done.stdout[-4000:]}"
