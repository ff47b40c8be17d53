"""What training data looked like, small enough to store; and whether other data looks like it.

The measure is the population stability index over at most ten bins of the baseline, ``sum((p - q) * ln(p / q))``.
Above 0.25 is commonly read as a significant shift (Siddiqi, "Credit Risk Scorecards", 2006). Between two small samples
of one population the index is far from zero by chance: about ``(1/n + 1/m)`` times a chi-squared variable with bins - 1
degrees of freedom (Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020). So a shift
must also exceed what one sound table in a thousand reaches in any of its columns. Half a row is added to every bin, so
that an empty one does not make the index infinite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from model.contract import Column

BINS = 10
THRESHOLD = 0.25
FALSE_ALARMS = 0.001
"""Share of sound tables in which any column is said to have shifted."""


@dataclass(frozen=True)
class Shift:
    """How far a column's values lie from what they were."""

    column: str
    index: float
    """Population stability index."""
    limit: float
    """What it must not exceed."""
    before: str
    now: str

    @property
    def shifted(self) -> bool:
        """Whether that is more than chance explains."""
        return self.index > self.limit

    def __str__(self) -> str:
        return f"shifted: stability index {self.index:.3f}, at most {self.limit:.3f}; was {self.before}, is {self.now}"


def make(frame: pandas.DataFrame, columns: Sequence[Column]) -> dict[str, Any]:
    """Describe a checked table: per column the bins, the share of rows in each, and the usual statistics."""
    import numpy

    result: dict[str, Any] = {}
    for column in columns:
        values = frame[column.name]
        present = values.dropna()
        entry: dict[str, Any] = {"missing": int(values.isna().sum())}
        if column.categories is None:
            numbers = present.to_numpy(dtype=float)
            if numbers.size:
                # Inner edges only: values outside what was seen fall into the first or the last bin.
                inner = numpy.unique(numpy.quantile(numbers, numpy.linspace(0, 1, BINS + 1)[1:-1]))
                entry["edges"] = [float(edge) for edge in inner]
                entry["shares"] = _shares(numbers, entry["edges"])
                entry |= {
                    "minimum": float(numbers.min()),
                    "maximum": float(numbers.max()),
                    "mean": float(numbers.mean()),
                    "deviation": float(numbers.std()),
                }
        else:
            entry["categories"] = {
                str(item): float((present == item).mean()) if len(present) else 0.0 for item in column.categories
            }
        result[column.name] = entry
    return {"schema_version": 1, "rows": len(frame), "columns": result}


def compare(baseline: Mapping[str, Any], frame: pandas.DataFrame, columns: Sequence[Column]) -> Iterator[Shift]:
    """Columns whose distribution has shifted against the `baseline` profile."""
    return (shift for shift in measure(baseline, frame, columns) if shift.shifted)


def measure(baseline: Mapping[str, Any], frame: pandas.DataFrame, columns: Sequence[Column]) -> Iterator[Shift]:
    """How far each column's distribution lies from the `baseline` profile; those that can be measured."""
    from scipy.stats import chi2

    known = baseline.get("columns", {})
    for column in columns:
        before = known.get(column.name)
        present = frame[column.name].dropna()
        if not before or not len(present):
            continue
        rows = max(int(baseline["rows"]) - int(before.get("missing", 0)), 1)
        if "categories" in before and column.categories is not None:
            expected = list(before["categories"].values())
            actual = [float((present.astype(object).map(_label) == label).mean()) for label in before["categories"]]
            was, now = _top(before["categories"]), _top(dict(zip(before["categories"], actual, strict=True)))
        elif "edges" in before and column.categories is None:
            expected = before["shares"]
            actual = _shares(present.to_numpy(dtype=float), before["edges"])
            was, now = f"mean {before['mean']:.4g}", f"mean {float(present.mean()):.4g}"
        else:
            continue
        degrees = len(expected) - 1
        if degrees < 1:
            continue
        noise = float(chi2.isf(FALSE_ALARMS / len(columns), degrees)) * (1 / rows + 1 / len(present))
        limit, index = max(THRESHOLD, noise), _index(expected, rows, actual, len(present))
        yield Shift(column.name, index, limit, was, now)


def _shares(numbers: Any, edges: Sequence[float]) -> list[float]:
    import numpy

    counts = numpy.bincount(numpy.searchsorted(edges, numbers, side="left"), minlength=len(edges) + 1)
    return [float(share) for share in counts / numbers.size]


def _index(expected: Sequence[float], n: int, actual: Sequence[float], m: int) -> float:
    import math

    bins = len(expected)
    before = [(share * n + 0.5) / (n + 0.5 * bins) for share in expected]
    now = [(share * m + 0.5) / (m + 0.5 * bins) for share in actual]
    return sum((p - q) * math.log(p / q) for p, q in zip(before, now, strict=True))


def _label(value: Any) -> str:
    # 1 and 1.0 are one category: numeric categories are stored as the contract spells them.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _top(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{label} {share:.0%}" for label, share in sorted(shares.items(), key=lambda item: -item[1])[:3])
