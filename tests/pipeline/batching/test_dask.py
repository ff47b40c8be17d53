"""Searching and batch scoring on a Dask cluster.

Dask needs a newer cloudpickle than the Azure SDK allows, so this runs in an environment of its own: ``tox -e dask``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.engine import engine
from pipeline.errors import EngineUnavailable, PipelineError
from pipeline.provenance import ROOT
from tests.pipeline.batching.clusters import WORKERS, ClusterSuite

distributed = pytest.importorskip("distributed", reason="dask is not installed: tox -e dask")
pytestmark = pytest.mark.slow


class DaskCluster:
    """Worker processes of this machine, each under a nanny that starts another when it ends."""

    backend = "dask"

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.scheduler = str(cluster.scheduler_address)

    def working(self) -> list[int]:
        pids = {nanny.worker_address: nanny.pid for nanny in self.cluster.workers.values()}
        workers = list(self.cluster.scheduler.workers.items())
        return [pids[address] for address, worker in workers if worker.processing and address in pids]


class TestDask(ClusterSuite):
    """Three workers with a thread each."""

    @pytest.fixture
    def cluster(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskCluster]:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        with distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster:
            yield DaskCluster(cluster)


def test_no_scheduler_answers() -> None:
    with pytest.raises(EngineUnavailable, match="no dask scheduler answers"), engine("dask", "tcp://127.0.0.1:9"):
        pass


def test_a_scheduler_must_be_named() -> None:
    with pytest.raises(PipelineError, match="where is the dask cluster"), engine("dask"):
        pass
