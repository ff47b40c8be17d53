"""The data contract: columns, types, missing values, ranges, and distribution against a stored profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from model import profile as profiles
from model.errors import ContractBroken

if TYPE_CHECKING:
    import numpy
    import pandas

SHOWN = 10
"""Rows that a violation lists; the count says how many there are."""


@dataclass(frozen=True)
class Column:
    """What one column must hold: numbers in a range, or one of some categories."""

    name: str
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Any, ...] | None = None
    integer: bool = False
    """Whole numbers only."""
    nullable: bool = False
    """Whether a value may be missing (then the estimator must cope with NaN or ``None``)."""
    doc: str = ""

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers (categories may be numbers too)."""
        return self.categories is None or all(isinstance(item, (int, float)) for item in self.categories)


@dataclass(frozen=True)
class Violation:
    """One rule that one column breaks."""

    column: str | None
    """``None`` where the rule is about the whole table."""
    rule: str
    """``columns``, ``type``, ``missing``, ``range``, ``category``, ``rows`` or ``distribution``."""
    message: str
    rows: tuple[int, ...] = ()
    """The first rows that break it; 1 is the first row below the header."""
    count: int = 0
    """How many rows break it."""

    def __str__(self) -> str:
        where = f" (rows {', '.join(map(str, self.rows))}{' ...' if self.count > len(self.rows) else ''})"
        return f"{self.column or 'table'}: {self.rule}: {self.message}{where if self.rows else ''}"


@dataclass(frozen=True)
class Checked:
    """The outcome of a check."""

    frame: pandas.DataFrame
    """The contract's columns, in its order, in its types; sound only without violations."""
    violations: tuple[Violation, ...]

    def to_json(self) -> dict[str, Any]:
        """Violations as a JSON document."""
        return {
            "rows": len(self.frame),
            "valid": not self.violations,
            "violations": [{**asdict(item), "rows": list(item.rows)} for item in self.violations],
        }

    def require(self, source: str) -> pandas.DataFrame:
        """Return the frame. Raises ``ContractBroken`` when there is any violation."""
        if self.violations:
            raise broken(source, self.violations)
        return self.frame


def broken(source: str, violations: Sequence[Violation]) -> ContractBroken:
    """The error for data with these violations."""
    first, more = violations[0], len(violations) - 1
    return ContractBroken(
        f"{source} breaks the data contract: {first}" + (f", and {more} more" if more else ""),
        violations=violations,
        hint="mlops data check shows every violation; the contract is in model/dataset.py",
    )


def check(
    frame: pandas.DataFrame,
    columns: Sequence[Column],
    *,
    baseline: Mapping[str, Any] | None = None,
    minimum_rows: int = 10,
) -> Checked:
    """Check a table against the contract.

    Parameters
    ----------
    frame : DataFrame
        As :func:`model.tables.read` gives it; columns in any order.
    columns : sequence of Column
        Features and target.
    baseline : mapping, optional
        A profile (:func:`model.profile.make`) that the distribution must resemble.
    minimum_rows : int
        Fewer rows than this are of no use for training.
    """
    import pandas

    violations: list[Violation] = []
    names = [column.name for column in columns]
    given = [str(name) for name in frame.columns]
    violations += [Violation(name, "columns", "the column is missing") for name in names if name not in given]
    violations += [Violation(name, "columns", "there is no such column") for name in given if name not in names]
    if len(frame) < minimum_rows:
        violations.append(Violation(None, "rows", f"{len(frame)} rows; at least {minimum_rows} are needed"))
    typed: dict[str, Any] = {}
    for column in columns:
        if column.name in given:
            typed[column.name], found = _column(frame[column.name], column)
            violations += found
    table = pandas.DataFrame(typed)
    if baseline is not None and not any(item.rule in ("columns", "type") for item in violations):
        for shift in profiles.compare(baseline, table, columns):
            violations.append(Violation(shift.column, "distribution", str(shift), count=len(table)))
    return Checked(table, tuple(violations))


def _column(cells: pandas.Series[Any], column: Column) -> tuple[Any, list[Violation]]:
    import numpy
    import pandas

    if column.numeric:
        values = pandas.to_numeric(cells, errors="coerce").astype("float64")
    else:
        values = cells.astype(object).where(cells.notna(), None)
    absent = cells.isna().to_numpy(dtype=bool)
    found: list[Violation] = []
    if column.numeric:
        # "nan" and "inf" in a file are text that float() accepts; a contract of numbers does not.
        wrong = ~numpy.isfinite(values.to_numpy()) & ~absent
        found += _violation(column, "type", wrong, cells, "not a number")
        usable = numpy.isfinite(values.to_numpy())
        if column.integer:
            whole = usable & (values.to_numpy() % 1 != 0)
            found += _violation(column, "type", whole, cells, "not a whole number")
    else:
        usable = ~absent
    if not column.nullable:
        found += _violation(column, "missing", absent, cells, "no value")
    found += _limits(values, usable, cells, column)
    return values, found


def _limits(values: Any, usable: Any, cells: pandas.Series[Any], column: Column) -> Iterator[Violation]:
    if column.categories is not None:
        outside = usable & ~values.isin(list(column.categories)).to_numpy()
        allowed = ", ".join(map(str, column.categories[:SHOWN]))
        yield from _violation(column, "category", outside, cells, f"not one of {allowed}")
    if column.minimum is not None:
        yield from _violation(
            column, "range", usable & (values < column.minimum).to_numpy(), cells, f"less than {column.minimum:g}"
        )
    if column.maximum is not None:
        yield from _violation(
            column, "range", usable & (values > column.maximum).to_numpy(), cells, f"more than {column.maximum:g}"
        )


def _violation(
    column: Column, rule: str, broken: numpy.ndarray[Any, Any], cells: pandas.Series[Any], what: str
) -> list[Violation]:
    places = broken.nonzero()[0]
    if not len(places):
        return []
    example = "" if rule == "missing" else f", such as {str(cells.iloc[int(places[0])])[:40]!r}"
    count = len(places)
    message = f"{count} {'value is' if count == 1 else 'values are'} {what}{example}"
    if rule == "missing":
        message = f"{count} {'value is' if count == 1 else 'values are'} missing"
    return [Violation(column.name, rule, message, tuple(int(place) + 1 for place in places[:SHOWN]), count)]
