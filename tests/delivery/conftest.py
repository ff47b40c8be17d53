"""The project's own pipeline files."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearse.kits import describe
from rehearse.run.project import Project

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def project() -> Project:
    return describe(ROOT)
