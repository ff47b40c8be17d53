"""Searching and batch scoring on a Ray cluster, reached as its clients do: ``tox -e ray``."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pipeline.engine import engine
from pipeline.errors import EngineUnavailable, PipelineError
from pipeline.provenance import ROOT
from tests.pipeline.batching.clusters import WORKERS, ClusterSuite

ray = pytest.importorskip("ray", reason="ray is not installed: tox -e ray")
pytestmark = pytest.mark.slow
ACTOR = b"ray::PoolActor.run_batch"
"""How a worker process of joblib's backend is called while it does tasks."""


class RayCluster:
    """A head with worker processes."""

    backend = "ray"

    def __init__(self, port: int, head: int) -> None:
        self.scheduler = f"ray://127.0.0.1:{port}"
        self.head = head

    def working(self) -> list[int]:
        return [pid for pid in descendants(self.head) if command(pid).startswith(ACTOR)]


class TestRay(ClusterSuite):
    """One node with three cores."""

    @pytest.fixture
    def cluster(self) -> Iterator[RayCluster]:
        ports = free_ports(2)
        # Paths of its sockets are short or they are none.
        folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
        program = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head", "--block"]
        options = ["--num-cpus", str(WORKERS), "--port", str(ports[0]), "--ray-client-server-port", str(ports[1])]
        quiet = ["--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", folder]
        head = subprocess.Popen(
            [*program, *options, *quiet],
            # Without the variable Ray's proxy for clients may die in gRPC's fork handlers when the machine is busy.
            env={**os.environ, "PYTHONPATH": str(ROOT), "GRPC_ENABLE_FORK_SUPPORT": "0"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started: list[int] = []
        try:
            assert head.stdout is not None
            said = []
            for line in head.stdout:
                said.append(line)
                if "Ray runtime started" in line:
                    break
            else:
                pytest.fail("".join(said))
            yield RayCluster(ports[1], head.pid)
        finally:
            started = descendants(head.pid)
            head.terminate()
            with suppress(subprocess.TimeoutExpired):
                head.wait(timeout=30)
            for pid in started:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            head.kill()
            head.communicate()
            shutil.rmtree(folder, ignore_errors=True)


def test_no_cluster_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INITIAL_TIMEOUT_SEC", "MAX_TIMEOUT_SEC"):  # else half a minute goes by
        monkeypatch.setattr(f"ray.util.client.worker.{name}", 1)
    with pytest.raises(EngineUnavailable, match="no ray cluster answers"), engine("ray", "ray://127.0.0.1:9"):
        pass


def test_a_cluster_must_be_named() -> None:
    with pytest.raises(PipelineError, match="where is the ray cluster"), engine("ray"):
        pass


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens at, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    found, waiting = [], [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with suppress(OSError):
                children = [int(text) for text in task.read_text().split()]
                found += children
                waiting += children
    return found


def command(pid: int) -> bytes:
    """A process's command line, or nothing."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
