"""The contract of run histories, for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.files.runs import FileRunHistory
from tests.contract.runs import RunHistoryContract, experiment

__all__ = ["experiment"]


@pytest.fixture
def history(tmp_path: Path) -> FileRunHistory:
    return FileRunHistory(tmp_path / "store")


class TestFileRunHistory(RunHistoryContract):
    """Files."""
