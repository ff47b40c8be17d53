"""Reading tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import DataUnreadable
from pipeline.batching.tables import columns


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """The longest cell that ``csv`` takes by itself; it is the process's, and others have raised it."""
    before = csv.field_size_limit(131072)
    yield
    csv.field_size_limit(before)


def test_a_name_may_be_as_long_as_a_cell(tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("age," + "x" * 200_000 + "\n1,2\n")
    assert columns(table) == ["age", "x" * 200_000]


def test_a_quotation_mark_that_the_header_leaves_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.batching.tables.LONGEST_CELL", 0)
    table = tmp_path / "in.csv"
    table.write_text('age,"sex\n' + "1,2\n" * 40_000)
    with pytest.raises(DataUnreadable, match=r"in\.csv: line \d+: field larger") as told:
        columns(table)
    assert "quotation mark" in str(told.value.hint)


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="csv takes a NUL since Python 3.11")
def test_a_nul_in_the_header_is_told(tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("age,s\0x\n1,2\n")
    with pytest.raises(DataUnreadable, match=r"in\.csv: line \d+: line contains NUL"):
        columns(table)
