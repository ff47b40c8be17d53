"""Reports are one HTML file that needs nothing else."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline import report
from pipeline.charts import Plot, ticks

PAIRS = [("1.0", "1.5"), ("2.0", "1.0"), ("3.5", "3.25")]


def charts(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def circles(chart: ElementTree.Element) -> int:
    return len(chart.findall("{http://www.w3.org/2000/svg}circle"))


def test_predicted_against_true_and_residuals() -> None:
    page = report.run_report("a <run>", {"data": "d:1"}, {"mse": 0.5}, PAIRS, classes=False)
    assert "a &lt;run&gt;" in page
    assert "<run>" not in page
    against, residuals = charts(page)
    assert circles(against) == circles(residuals) == 3
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", page)
    assert "<script" not in page


def test_a_confusion_matrix_of_classes() -> None:
    page = report.run_report("r", {}, {}, [("0", "0"), ("0", "1"), ("10", "10"), ("2", "2")], classes=True)
    rows = re.findall(r"<tr><td>true (\d+)</td>(.*?)</tr>", page)
    assert [label for label, _ in rows] == ["0", "1", "2", "10"]
    assert re.findall(r">(\d+)<", rows[0][1]) == ["1", "1", "0", "0"]


def test_many_rows_are_thinned_out_and_it_says_so() -> None:
    page = report.run_report("r", {}, {}, [(str(n), str(n)) for n in range(5000)], classes=False)
    assert "5000 held-out rows, of which one in 3 is drawn" in page
    assert circles(charts(page)[0]) <= report.MOST_POINTS


def test_no_rows() -> None:
    assert "no held-out rows" in report.run_report("r", {}, {}, [], classes=False)


def run(number: int, **metrics: float) -> dict[str, Any]:
    return {
        "run_id": f"r{number}", "started": None, "state": "Completed", "parameters": {"a": number}, "metrics": metrics,
    }  # fmt: skip


def test_metrics_over_runs_leave_gaps() -> None:
    page = report.comparison([run(1, mse=2.0), run(2), run(3, mse=1.0, r2=0.5), run(4, mse=math.nan)])
    mse, r2 = charts(page)
    assert (circles(mse), circles(r2)) == (2, 1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (5, 5), (0, 0), (-3, 1e6), (1e-9, 2e-9), (-2, -1)])
def test_ticks_span_the_values(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert marks[0] <= low
    assert marks[-1] >= high
    assert marks == sorted(set(marks))
    assert 2 <= len(marks) <= 13
    Plot("t", "x", "y", [low, high], [low, high]).line([(low, low), (high, high)])


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 0.0), (0.0, 1e-14), (1e16, 1e16 + 2), (1e5, 1e5 + 1e-10), (0.0, 5e-324), (-1e308, 1e308), (0.1, 0.3)],
)
def test_an_axis_has_two_ends_whatever_lies_between(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found == sorted(set(found))
    assert 1 < len(found) < 50
    assert found[0] <= low
    assert Plot("t", "x", "y", [low, high], [low, high]).scatter([(low, high)]).svg()


def test_the_report_of_a_model_that_is_wrong_by_rounding_only() -> None:
    pairs = [("1.0", "1.0"), ("2.0", "2.0000000000000004"), ("3.0", "3.0")]
    against, residuals = charts(report.run_report("r", {}, {"mse": 6.6e-32}, pairs, classes=False))
    assert circles(against) == circles(residuals) == 3
    assert "nan" not in ElementTree.tostring(residuals, encoding="unicode")
