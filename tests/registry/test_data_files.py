"""The contract of data sets, for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.files.data import FileDataSets
from tests.contract.data import DataSetsContract, name, table

__all__ = ["name", "table"]


@pytest.fixture
def data(tmp_path: Path) -> FileDataSets:
    return FileDataSets(tmp_path / "store")


class TestFileDataSets(DataSetsContract):
    """Files."""
