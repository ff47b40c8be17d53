"""Metrics of runs, second version of the service. State and behaviour, no HTTP.

Facts: ``azureml._restclient`` of ``azureml-core`` 1.61 (``metric_operations``, ``MetricV2Dto``), and
https://learn.microsoft.com/azure/machine-learning/how-to-log-view-metrics .
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fakes.services.history.odata import instant

Document = dict[str, Any]

TYPES = frozenset({"Double", "Int", "String", "Bool", "Artifact"})
NAME_LIMIT = 255


class Metrics:
    """Metrics of one workspace, by run.

    Parameters
    ----------
    store : dict
        Where everything is kept, JSON values only: run id, then metric name, then the document.
    """

    def __init__(self, store: dict[str, dict[str, Document]]) -> None:
        self._store = store

    def add(self, run_id: str, container: str, batch: Mapping[str, Any]) -> list[Document]:
        """Append values; gives an error document for each metric that was refused.

        A value whose ``metricId`` is already there is passed over: a client that logs one name several times before
        it flushes sends the same value twice in one batch.
        """
        errors = []
        metrics = self._store.setdefault(run_id, {})
        for metric in batch.get("values") or []:
            problem = self._append(metrics, container, metric)
            if problem:
                errors.append(
                    {
                        "metric": metric,
                        "errorResponse": {"error": {"code": "UserError", "message": problem, "details": []}},
                    }
                )
        return errors

    def _append(self, metrics: dict[str, Document], container: str, metric: Mapping[str, Any]) -> str | None:
        name = metric.get("name")
        if not isinstance(name, str) or not name:
            return "A metric needs a name."
        if len(name) > NAME_LIMIT:
            return f"The metric name {name[:40]}... is longer than {NAME_LIMIT} characters."
        properties = dict(metric.get("properties") or {})
        held = metrics.get(name)
        if held is None:
            held = metrics[name] = {
                "dataContainerId": container,
                "name": name,
                "columns": {},
                "value": [],
                "properties": properties,
            }
        elif held["properties"].get("uxMetricType") != properties.get("uxMetricType"):
            return (
                f"Metric {name} was logged as {held['properties'].get('uxMetricType')}; "
                f"it cannot take a value of type {properties.get('uxMetricType')}."
            )
        for column, kind in (metric.get("columns") or {}).items():
            held["columns"].setdefault(column, kind)
        known = {value["metricId"] for value in held["value"]}
        for value in metric.get("value") or []:
            if value.get("metricId") not in known:
                known.add(value.get("metricId"))
                held["value"].append(dict(value))
        return None

    def definitions(self, run_id: str) -> list[Document]:
        """What metrics a run has, in the order of their first value."""
        return [
            {
                "metricKey": {"name": held["name"], "dataContainerId": held["dataContainerId"], "runId": run_id},
                "columns": held["columns"],
                "properties": held["properties"],
            }
            for held in self._store.get(run_id, {}).values()
        ]

    def full(self, run_id: str, name: str, *, start: str | None = None, end: str | None = None) -> Document | None:
        """One metric with all its values between two times (ISO 8601), or None."""
        held = self._store.get(run_id, {}).get(name)
        if held is None:
            return None
        values = [
            value
            for value in held["value"]
            if (start is None or _time(value) >= instant(start)) and (end is None or _time(value) <= instant(end))
        ]
        # Batches of one client arrive in any order; its times say which value came first.
        values.sort(key=_time)
        return {**held, "value": values, "continuationToken": None}


def _time(value: Mapping[str, Any]) -> datetime:
    return instant(str(value.get("createdUtc") or "1970-01-01T00:00:00Z"))
