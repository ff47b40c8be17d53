"""Start our host as users do: a program that prints a line when it is ready."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

KIT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds that a test waits for a condition before it fails."""


def wait_for(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """The first true value that `condition` gives; fails after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.01)


class Host:
    """A running host.

    Parameters
    ----------
    arguments : str
        Flags, beside ``--port 0``.
    env : dict, optional
        Variables on top of this process's.
    by_path : bool
        Start ``python .../score`` instead of ``python -m score``.
    """

    def __init__(
        self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, by_path: bool = True
    ) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        program = [str(KIT / "score")] if by_path else ["-m", "score"]
        self.process = subprocess.Popen(
            [sys.executable, *program, "--port", "0", *arguments],
            cwd=cwd or KIT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.ready: dict[str, Any] = {}
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            self.ready = json.loads(line)
        self.rest: list[str] = []
        self._reader = threading.Thread(target=lambda: self.rest.extend(self.process.stdout or ()), daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        """The port of ``/score``."""
        return int(self.ready["port"])

    def logs(self) -> list[dict[str, Any]]:
        """The log so far; every line must be JSON."""
        # Not by seeking: the host writes at the same offset. A last line without its end is still being written.
        number = self.errors.fileno()
        data = os.pread(number, os.fstat(number).st_size, 0)
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one kind."""
        return [line for line in self.logs() if line["event"] == name]

    def workers(self) -> list[int]:
        """Process ids of the workers that became ready and live."""
        pids = [line["worker_pid"] for line in self.events("worker_ready")]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """Whatever happened, leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.errors.close()


@contextlib.contextmanager
def host(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None, by_path: bool = True
) -> Iterator[Host]:
    """A host that is ready; stopped at the end."""
    running = Host(*arguments, env=env, cwd=cwd, by_path=by_path)
    try:
        assert running.ready.get("event") == "ready", running.logs()
        yield running
        if running.process.poll() is None:
            running.stop()
    finally:
        running.kill()
