from __future__ import annotations

from pathlib import Path

import numpy
import pandas
import pytest

from model import contract, dataset, profile, tables
from model.contract import Column
from model.errors import ContractBroken
from tests.model.conftest import COLUMNS


def rules(checked: contract.Checked) -> list[tuple[str | None, str]]:
    return [(item.column, item.rule) for item in checked.violations]


def test_the_sample_keeps_the_contract(csv: Path) -> None:
    checked = contract.check(tables.read(csv), COLUMNS)
    assert checked.violations == ()
    assert checked.frame.shape == (442, 11)
    assert set(checked.frame.dtypes.astype(str)) == {"float64"}


def test_columns_in_another_order_are_put_in_order(sample: pandas.DataFrame) -> None:
    checked = contract.check(sample[sample.columns[::-1]], COLUMNS)
    assert list(checked.frame.columns) == [column.name for column in COLUMNS]
    assert not checked.violations


def test_wrong_schema(sample: pandas.DataFrame) -> None:
    checked = contract.check(sample.rename(columns={"bmi": "BMI"}), COLUMNS)
    assert rules(checked) == [("bmi", "columns"), ("BMI", "columns")]


def test_missing_values_name_column_and_rows(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    for place in (1, 5):
        cells = lines[place].split(",")
        cells[3] = ""
        lines[place] = ",".join(cells)
    csv.write_text("\n".join(lines) + "\n")
    (violation,) = contract.check(tables.read(csv), COLUMNS).violations
    assert (violation.column, violation.rule, violation.rows, violation.count) == ("bp", "missing", (1, 5), 2)
    assert str(violation) == "bp: missing: 2 values are missing (rows 1, 5)"


def test_missing_values_are_fine_where_the_contract_says_so() -> None:
    frame = pandas.DataFrame({"a": [1.0, numpy.nan] * 10})
    assert contract.check(frame, [Column("a", nullable=True)]).violations == ()


@pytest.mark.parametrize("cell", ["abc", "nan", "inf", "-Infinity", "1,5", "1e999"])
def test_what_is_no_number(cell: str) -> None:
    frame = pandas.DataFrame({"a": ["1"] * 19 + [cell]})
    (violation,) = contract.check(frame, [Column("a")]).violations
    assert (violation.rule, violation.rows) == ("type", (20,))
    assert cell in violation.message


def test_whole_numbers() -> None:
    frame = pandas.DataFrame({"a": ["1"] * 19 + ["1.5"]})
    assert rules(contract.check(frame, [Column("a", integer=True)])) == [("a", "type")]


def test_range_and_its_ends() -> None:
    frame = pandas.DataFrame({"a": [0.0, 10.0, -0.1, 10.1] * 5})
    checked = contract.check(frame, [Column("a", minimum=0, maximum=10)])
    assert [(item.rule, item.count) for item in checked.violations] == [("range", 5), ("range", 5)]
    assert checked.violations[0].rows == (3, 7, 11, 15, 19)


def test_categories(sample: pandas.DataFrame) -> None:
    sample.loc[9, "sex"] = 3
    (violation,) = contract.check(sample, COLUMNS).violations
    assert (violation.column, violation.rule, violation.rows) == ("sex", "category", (10,))
    assert "not one of 1, 2" in violation.message


def test_text_categories() -> None:
    frame = pandas.DataFrame({"a": ["x", "y"] * 10 + ["z"]})
    (violation,) = contract.check(frame, [Column("a", categories=("x", "y"))]).violations
    assert (violation.rule, violation.rows) == ("category", (21,))


def test_too_few_rows(sample: pandas.DataFrame) -> None:
    assert rules(contract.check(sample.head(3), COLUMNS)) == [(None, "rows")]


def test_only_the_first_rows_are_listed(sample: pandas.DataFrame) -> None:
    sample["age"] = -1
    (violation,) = contract.check(sample, COLUMNS).violations
    assert len(violation.rows) == contract.SHOWN
    assert violation.count == 442
    assert "..." in str(violation)


def test_require_raises_with_every_violation(sample: pandas.DataFrame) -> None:
    sample.loc[0, "age"] = -1
    sample.loc[0, "bmi"] = 999
    with pytest.raises(ContractBroken, match=r"age: range.* and 1 more") as caught:
        contract.check(sample, COLUMNS).require("x.csv")
    assert len(caught.value.violations) == 2


def test_document(sample: pandas.DataFrame) -> None:
    sample.loc[0, "age"] = -1
    document = contract.check(sample, COLUMNS).to_json()
    assert document["valid"] is False
    assert document["violations"][0]["rows"] == [1]


# ---- distribution ------------------------------------------------------------------------------------------------
@pytest.fixture
def baseline(frame: pandas.DataFrame) -> dict[str, object]:
    return profile.make(frame, COLUMNS)


def test_data_looks_like_itself(frame: pandas.DataFrame, baseline: dict[str, object]) -> None:
    assert list(profile.compare(baseline, frame, COLUMNS)) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rows", [30, 100, 300])
def test_a_random_part_is_not_taken_for_a_shift(
    frame: pandas.DataFrame, baseline: dict[str, object], rows: int, seed: int
) -> None:
    assert list(profile.compare(baseline, frame.sample(rows, random_state=seed), COLUMNS)) == []


def test_a_shifted_column_is_named(sample: pandas.DataFrame, baseline: dict[str, object]) -> None:
    sample["bmi"] = sample["bmi"] + 6
    (violation,) = contract.check(sample, COLUMNS, baseline=baseline).violations
    assert (violation.column, violation.rule) == ("bmi", "distribution")
    assert "mean 26.38, is mean 32.38" in violation.message


def test_a_shifted_category_is_named(frame: pandas.DataFrame, baseline: dict[str, object]) -> None:
    (shift,) = profile.compare(baseline, frame.assign(sex=1.0), COLUMNS)
    assert (shift.column, shift.now) == ("sex", "1 100%, 2 0%")


def test_a_shift_is_not_looked_for_in_broken_columns(sample: pandas.DataFrame, baseline: dict[str, object]) -> None:
    sample["bmi"] = "text"
    assert rules(contract.check(sample, COLUMNS, baseline=baseline)) == [("bmi", "type")]


def test_a_profile_is_small_json(baseline: dict[str, object]) -> None:
    import json

    assert json.loads(json.dumps(baseline, allow_nan=False)) == baseline
    assert len(json.dumps(baseline)) < 8000
    assert len(dataset.FEATURES) == 10
