"""Reports as one HTML file each, with nothing to load: a run's predictions, and metrics over runs."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipeline.charts import COLORS, Plot

MOST_POINTS = 2000
"""More would make the page slow; then every n-th is drawn, and the page says so."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1040px; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ border: 1px solid #8886; padding: .25rem .6rem; text-align: left; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.charts {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
svg {{ width: 480px; max-width: 100%; }}
svg text {{ font-size: 12px; text-anchor: middle; fill: currentColor; }}
svg text.title {{ font-size: 14px; font-weight: 600; }}
svg text.left {{ text-anchor: end; }}
svg .grid {{ stroke: #8884; }}
</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def page(title: str, *parts: str) -> str:
    """An HTML page."""
    return _PAGE.format(title=escape(title), body="\n".join(parts))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An HTML table; numbers are aligned."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in header)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.6g}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td class="number">{value}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"


def read_predictions(path: Path) -> list[tuple[str, str]]:
    """(true, predicted) of ``predictions.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["true"], row["predicted"]) for row in csv.DictReader(file)]


def run_report(
    title: str,
    facts: Mapping[str, Any],
    metrics: Mapping[str, float],
    predictions: Sequence[tuple[str, str]],
    *,
    classes: bool,
) -> str:
    """A run: what it was, how good it is, and its predictions on held-out rows.

    Parameters
    ----------
    title : str
    facts, metrics : mapping
        Shown as tables.
    predictions : sequence of (true, predicted)
        As text.
    classes : bool
        Whether they are class labels: then a confusion matrix, else predicted against true values with residuals.
    """
    parts = [table(("fact", "value"), list(facts.items())), table(("metric", "held-out"), list(metrics.items()))]
    parts.append(confusion(predictions) if classes else _numbers(predictions))
    return page(title, *parts)


def confusion(predictions: Sequence[tuple[str, str]]) -> str:
    """How often each class was taken for each."""
    labels = sorted({label for pair in predictions for label in pair}, key=_natural)
    counts = Counter(predictions)
    rows = [[f"true {true}", *(counts[true, predicted] for predicted in labels)] for true in labels]
    return "<h2>Confusion matrix</h2>" + table(["", *(f"predicted {label}" for label in labels)], rows)


def _natural(label: str) -> tuple[int, float, str]:
    try:
        return (0, float(label), "")
    except ValueError:
        return (1, 0.0, label)


def _numbers(predictions: Sequence[tuple[str, str]]) -> str:
    pairs = [(float(true), float(predicted)) for true, predicted in predictions]
    if not pairs:
        return "<p>There are no held-out rows.</p>"
    step = math.ceil(len(pairs) / MOST_POINTS)
    drawn = pairs[::step]
    true, predicted = [pair[0] for pair in drawn], [pair[1] for pair in drawn]
    both = [*true, *predicted]
    ends = [(min(both), min(both)), (max(both), max(both))]
    against = Plot("Predicted against true", "true", "predicted", both, both)
    against.line(ends, color=COLORS[1], marks=False).scatter(drawn)
    residuals = [(guess, guess - fact) for fact, guess in drawn]
    spread = [*(residual for _, residual in residuals), 0.0]
    rest = Plot("Residuals", "predicted", "predicted - true", predicted, spread)
    rest.line([(min(predicted), 0.0), (max(predicted), 0.0)], color=COLORS[1], marks=False).scatter(residuals)
    note = f"{len(pairs)} held-out rows" + (f", of which one in {step} is drawn" if step > 1 else "")
    return f'<h2>Predictions</h2><p>{note}.</p><div class="charts">{against.svg()}{rest.svg()}</div>'


def comparison(runs: Sequence[Mapping[str, Any]]) -> str:
    """Metrics and parameters over runs, oldest first.

    Parameters
    ----------
    runs : sequence of mapping
        With ``run_id``, ``started``, ``state``, ``parameters`` and ``metrics``.
    """
    metrics = sorted({name for run in runs for name in run["metrics"]})
    parameters = sorted({name for run in runs for name in run["parameters"]})
    header = ["", "run", "started", "state", *parameters, *metrics]
    rows = [
        [
            number,
            run["run_id"],
            run["started"],
            run["state"],
            *(run["parameters"].get(name) for name in parameters),
            *(run["metrics"].get(name) for name in metrics),
        ]
        for number, run in enumerate(runs, 1)
    ]
    charts = []
    for place, name in enumerate(metrics):
        points = [
            (float(number), run["metrics"][name])
            for number, run in enumerate(runs, 1)
            if math.isfinite(run["metrics"].get(name, math.nan))
        ]
        if points:
            plot = Plot(name, "run", "", [1.0, float(len(runs))], [value for _, value in points])
            charts.append(plot.line(points, color=COLORS[place % len(COLORS)]).svg())
    return page("Metrics over runs", table(header, rows), f'<div class="charts">{"".join(charts)}</div>')
