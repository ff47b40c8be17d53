"""After a release: do live inputs look like the data that the model was trained on, and how does its service do?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError, PipelineNotFound

if TYPE_CHECKING:
    import pandas

    from model.profile import Shift
    from registry.data import DataSets
    from registry.models import ModelVersion


UNCOUNTED = (
    "no requests, errors and latencies of its service here: those of a service on Azure are in Application Insights, "
    "while the setting services.app_insights is on"
)
"""Said where a service's figures would be."""


@dataclass(frozen=True)
class Monitoring:
    """What was seen."""

    model: str
    """``name:version`` that production's alias names."""
    data: str
    """Data set version that it was trained on."""
    rows: int
    features: list[dict[str, Any]]
    """By feature: ``feature``, ``index`` (population stability index), ``limit``, ``shifted``, ``before``, ``now``."""
    revisions: list[dict[str, Any]]
    """By revision of the service: requests, also per second, errors, latencies in milliseconds."""

    @property
    def shifted(self) -> list[str]:
        """Features whose distribution has shifted."""
        return [item["feature"] for item in self.features if item["shifted"]]

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "data": self.data,
            "rows": self.rows,
            "shifted": self.shifted,
            "features": self.features,
            "revisions": self.revisions,
        }


def read_inputs(path: Path) -> pandas.DataFrame:
    """Live inputs: a CSV or Parquet table with the feature columns, or a file of scoring requests, one a line.

    Raises
    ------
    model.errors.DataNotFound, model.errors.DataUnreadable
        There is no such file, or it is none of these.
    pipeline.errors.PipelineError
        A request has another number of values than the model has features.
    """
    import pandas

    from model import dataset, tables

    if path.suffix not in (".jsonl", ".ndjson"):
        return tables.read(path)
    names = [column.name for column in dataset.FEATURES]
    rows: list[list[Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise PipelineError(f'{path}:{number} is no scoring request {{"data": [[...]]}}: {error!r}') from error
        bad = [row for row in found if not isinstance(row, list) or len(row) != len(names)]
        if bad:
            raise PipelineError(f"{path}:{number} has a row that is not {len(names)} values")
        rows += found
    return pandas.DataFrame(rows, columns=names)


def monitor(
    version: ModelVersion, data: DataSets, frame: pandas.DataFrame, counts: Mapping[str, Mapping[str, Any]]
) -> Monitoring:
    """Compare `frame` with the profile of the data that `version` was trained on.

    Raises
    ------
    pipeline.errors.PipelineNotFound
        The version's lineage names no data set, or that has no profile.
    pipeline.errors.PipelineError
        `frame` lacks features.
    """
    from model import contract, dataset, profile

    reference = version.lineage.data or ""
    name, _, number = reference.rpartition(":")
    if not name or not number.isdecimal():
        raise PipelineNotFound(f"{version.reference} does not say which data it was trained on")
    baseline = data.get(name, int(number)).profile
    if not baseline:
        raise PipelineNotFound(f"data set {reference} has no profile to compare with", hint="mlops data register")
    missing = [column.name for column in dataset.FEATURES if column.name not in frame.columns]
    if missing:
        raise PipelineError(
            f"the inputs lack {', '.join(missing)}", hint="a table needs a header with the feature names"
        )
    if frame.empty:
        raise PipelineError("there are no inputs to compare", hint="give a file with at least one row")
    checked = contract.check(frame, dataset.FEATURES, minimum_rows=1)
    broken = [item for item in checked.violations if item.rule == "type"]
    if broken:
        raise PipelineError(
            f"the inputs cannot be compared: {broken[0]}", hint="mlops data check shows every violation"
        )
    features = [_row(shift) for shift in profile.measure(baseline, checked.frame, dataset.FEATURES)]
    revisions = [{"revision": key, **_rated(value)} for key, value in counts.items()]
    return Monitoring(version.reference, reference, len(frame), features, revisions)


def page(seen: Monitoring) -> str:
    """A self-contained HTML page: the stability index of each feature against its limit, and the service's figures."""
    from pipeline import report

    top = max([1e-9, *(max(item["index"], item["limit"]) for item in seen.features)])
    parts = [
        f"<p>{escape(seen.model)}, trained on {escape(seen.data)}, against {seen.rows} live inputs. "
        f"{'Shifted: ' + escape(', '.join(seen.shifted)) if seen.shifted else 'Nothing has shifted'}.</p>",
        _bars(seen.features, top),
        report.table(
            ("feature", "stability index", "limit", "shifted", "in training", "now"),
            [
                [item[key] for key in ("feature", "index", "limit", "shifted", "before", "now")]
                for item in seen.features
            ],
        ),
    ]
    parts.append("<h2>Service</h2>")
    if not seen.revisions:
        parts.append(f"<p>There are {UNCOUNTED}.</p>")
    else:
        keys = sorted({key for item in seen.revisions for key in item} - {"revision"})
        parts.append(
            report.table(
                ("revision", *keys), [[item.get(key, "") for key in ("revision", *keys)] for item in seen.revisions]
            )
        )
    return report.page(f"{seen.model}: live inputs against training", *parts)


def _bars(features: Sequence[Mapping[str, Any]], top: float) -> str:
    """One bar a feature, its limit as a line."""
    height, left, width = 24, 120, 480
    parts = [
        f'<svg viewBox="0 0 {left + width + 80} {height * len(features) + 10}" role="img" aria-label="stability index" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for position, item in enumerate(features):
        y = position * height + 5
        length, limit = item["index"] / top * width, item["limit"] / top * width
        color = "#c0392b" if item["shifted"] else "#2e86c1"
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(str(item["feature"]))}</text>')
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{height - 8}" fill="{color}"/>')
        parts.append(
            f'<line x1="{left + limit:.1f}" x2="{left + limit:.1f}" y1="{y - 2}" y2="{y + height - 6}" stroke="#555"/>'
        )
        parts.append(f'<text x="{left + max(length, limit) + 6:.1f}" y="{y + 14}">{item["index"]:.3f}</text>')
    return "".join([*parts, "</svg>"])


def _rated(counts: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of one revision with its request rate, where it is known how long they were taken."""
    rated = {key: value for key, value in counts.items() if key != "id"}
    if counts.get("seconds"):
        rated["requests_per_second"] = round(counts["requests"] / counts["seconds"], 3)
    return rated


def _row(shift: Shift) -> dict[str, Any]:
    return {
        "feature": shift.column,
        "index": round(shift.index, 6),
        "limit": round(shift.limit, 6),
        "shifted": shift.shifted,
        "before": shift.before,
        "now": shift.now,
    }
