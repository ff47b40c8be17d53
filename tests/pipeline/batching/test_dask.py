"""Searching and batch scoring on a Dask cluster of worker processes, one of which is lost midway.

Dask needs a newer cloudpickle than the Azure SDK allows, so this runs in an environment of its own:
``pip install -r requirements/dask.in``, then ``pytest tests/pipeline/batching/test_dask.py``.
"""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest

from model import contract, dataset, search
from pipeline.batching.job import BatchOptions, score_file
from pipeline.engine import engine
from pipeline.errors import EngineUnavailable, PipelineError
from pipeline.provenance import ROOT

distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install -r requirements/dask.in")
pytestmark = pytest.mark.slow

COLUMNS = (*dataset.FEATURES, dataset.TARGET)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster


class Loss:
    """Kills one worker process as soon as it works on something."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.killed: int | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Loss:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def _watch(self) -> None:
        pids = {nanny.worker_address: nanny.pid for nanny in self.cluster.workers.values()}
        deadline = time.monotonic() + 120
        while not self.stop.is_set() and time.monotonic() < deadline:
            for address, worker in list(self.cluster.scheduler.workers.items()):
                if worker.processing and address in pids:
                    os.kill(pids[address], signal.SIGKILL)
                    self.killed = pids[address]
                    return
            time.sleep(0.001)


def test_a_search_survives_the_loss_of_a_worker(cluster: Any) -> None:
    frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
    grid = {"alpha": [0.05 * step for step in range(1, 61)]}
    options: dict[str, Any] = {"metric": "mse", "direction": "lower", "seed": 42, "test_size": 0.2}
    with engine("threading", n_jobs=1):
        expected = search.search(frame, {}, grid, **options)
    with engine("dask", cluster.scheduler_address) as at_once, Loss(cluster) as loss:
        found = search.search(frame, {}, grid, **options)
    assert at_once == 3
    assert loss.killed is not None
    assert found == expected


def test_batch_scoring_survives_the_loss_of_a_worker(
    cluster: Any,
    make_options: Callable[..., BatchOptions],
    tmp_path: Path,
) -> None:
    table = pandas.concat([dataset.sample()] * 4, ignore_index=True).astype(object)
    table.loc[100, "age"] = "old"
    table.to_csv(tmp_path / "in.csv", index=False)
    with engine("threading", n_jobs=2):
        score_file(tmp_path / "in.csv", tmp_path / "expected.csv", make_options(), lambda line: None)
    with engine("dask", cluster.scheduler_address) as at_once, Loss(cluster) as loss:
        report = score_file(tmp_path / "in.csv", tmp_path / "out.csv", make_options(jobs=at_once), lambda line: None)
    assert loss.killed is not None
    assert (report.rows, report.bad_rows) == (1768, 1)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
    with (tmp_path / "out.csv.errors.csv").open() as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["101"]


def test_no_scheduler_answers() -> None:
    with pytest.raises(EngineUnavailable, match="no dask scheduler answers"), engine("dask", "tcp://127.0.0.1:9"):
        pass


def test_a_scheduler_must_be_named() -> None:
    with pytest.raises(PipelineError, match="where is the dask cluster"), engine("dask"):
        pass
