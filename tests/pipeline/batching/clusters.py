"""Searching and batch scoring on a cluster of worker processes, of which one is lost midway: equal for each engine."""

from __future__ import annotations

import csv
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pandas
import pytest

from model import contract, dataset, search
from pipeline.batching.host import close_all
from pipeline.batching.job import BatchOptions, score_file
from pipeline.engine import again, engine

COLUMNS = (*dataset.FEATURES, dataset.TARGET)
WORKERS = 3
LOOK_SECONDS = 0.001


class Cluster(Protocol):
    """A cluster of worker processes of this machine."""

    backend: str
    scheduler: str

    def working(self) -> list[int]:
        """Ids of the worker processes that have something to do."""


class Loss:
    """Kills one worker process as soon as it works on something."""

    def __init__(self, cluster: Cluster) -> None:
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
        while not self.stop.wait(LOOK_SECONDS):
            for pid in self.cluster.working():
                os.kill(pid, signal.SIGKILL)
                self.killed = pid
                return


class ClusterSuite:
    """Give it the fixture ``cluster``."""

    @pytest.fixture
    def cluster(self) -> Cluster:
        raise NotImplementedError

    def test_a_search_survives_the_loss_of_a_worker(self, cluster: Cluster) -> None:
        frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
        grid = {"alpha": [0.05 * step for step in range(1, 61)]}
        options: dict[str, Any] = {"metric": "mse", "direction": "lower", "seed": 42, "test_size": 0.2}
        with engine("threading", n_jobs=1):
            expected = search.search(frame, {}, grid, **options)
        with engine(cluster.backend, cluster.scheduler) as at_once, Loss(cluster) as loss:
            found = again(lambda: search.search(frame, {}, grid, **options))
        assert at_once == WORKERS
        assert loss.killed is not None
        assert found == expected

    def test_batch_scoring_survives_the_loss_of_a_worker(
        self, cluster: Cluster, make_options: Callable[..., BatchOptions], tmp_path: Path
    ) -> None:
        table = pandas.concat([dataset.sample()] * 4, ignore_index=True).astype(object)
        table.loc[100, "age"] = "old"
        table.to_csv(tmp_path / "in.csv", index=False)
        with engine("threading", n_jobs=2):
            score_file(tmp_path / "in.csv", tmp_path / "expected.csv", make_options(), lambda line: None)
        close_all()
        with engine(cluster.backend, cluster.scheduler) as at_once, Loss(cluster) as loss:
            options = make_options(jobs=at_once)
            report = score_file(tmp_path / "in.csv", tmp_path / "out.csv", options, lambda line: None)
        assert loss.killed is not None
        assert (report.rows, report.bad_rows) == (1768, 1)
        assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()
        with (tmp_path / "out.csv.errors.csv").open() as file:
            assert [row["row"] for row in csv.DictReader(file)] == ["101"]

    def test_what_a_task_raises_is_raised_at_once(self, cluster: Cluster) -> None:
        frame = contract.check(dataset.sample(), COLUMNS).require("the sample")
        calls = []

        def wrong() -> None:
            calls.append(1)
            search.search(frame, {}, {"alpha": [-1.0]}, metric="mse", direction="lower", seed=1, test_size=0.2)

        with engine(cluster.backend, cluster.scheduler), pytest.raises(Exception, match="alpha"):
            again(wrong)
        assert calls == [1]
