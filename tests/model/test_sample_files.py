"""The files in ``data/``: one that keeps the contract and one for each way of breaking it."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from model import contract, profile, tables
from tests.model.conftest import COLUMNS

DATA = Path(__file__).parent / "data"

EXPECTED: dict[str, list[tuple[str | None, str, tuple[int, ...]]]] = {
    "good": [],
    "wrong_schema": [("bmi", "columns", ()), ("s6", "columns", ()), ("body_mass", "columns", ())],
    "missing_values": [("bp", "missing", (4, 18)), ("s5", "missing", (41,))],
    "shifted_distribution": [("bmi", "distribution", ())],
    "out_of_range": [("age", "range", (10,)), ("sex", "category", (11,)), ("s1", "type", (12,))],
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file(name: str, frame: pandas.DataFrame) -> None:
    checked = contract.check(tables.read(DATA / f"{name}.csv"), COLUMNS, baseline=profile.make(frame, COLUMNS))
    assert [(item.column, item.rule, item.rows) for item in checked.violations] == EXPECTED[name]
    assert all(item.message for item in checked.violations)


def test_every_file_is_expected() -> None:
    assert {path.stem for path in DATA.iterdir()} == set(EXPECTED)
