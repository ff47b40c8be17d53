"""The scoring program as a child of this process, one a job at once; what joblib runs on whatever engine."""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import PipelineError

PATIENCE = 600.0
"""Seconds until a chunk counts as lost."""


@dataclass(frozen=True)
class HostSpec:
    """Which entry script and model to run; equal specs share a host."""

    root: str
    """The project: its ``score`` program runs, its code is importable."""
    entry_script: str
    model_dir: str
    """The folder that holds the model folder, as ``AZUREML_MODEL_DIR``."""


@dataclass(frozen=True)
class Bad:
    """Why one row has no prediction."""

    column: str | None
    reason: str


class ScoringHost:
    """``python -m score`` on a free port of the loopback interface, gone with this process."""

    def __init__(self, spec: HostSpec) -> None:
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the host
        leash = Path(__file__).with_name("leash.py")
        program = [sys.executable, "-m", "score", "--entry-script", spec.entry_script, "--model-dir", spec.model_dir]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS_", "AML_"))}
        self.child = subprocess.Popen(
            [sys.executable, str(leash), *program, "--host", "127.0.0.1", "--port", "0", "--root", spec.root],
            cwd=spec.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        try:
            ready = json.loads(self.child.stdout.readline()) if self.child.stdout else {}
            self.port = int(ready["port"])
        except (ValueError, KeyError):
            self.child.wait()
            cause = self._last_line()
            self.close()
            raise PipelineError(
                f"the scoring program did not start (exit code {self.child.returncode}): {cause}",
                hint="python -m score starts it by hand",
            ) from None
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def post(self, rows: Sequence[Sequence[float]]) -> tuple[int, Any]:
        """Score rows; the status and the JSON answer. Raises ``OSError`` or ``HTTPException`` when the host is gone."""
        body = json.dumps({"data": rows})
        self.connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, {"message": content[:300].decode(errors="replace")}

    def close(self) -> None:
        """End the program."""
        if hasattr(self, "connection"):
            self.connection.close()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=15)
        self.child.kill()
        self.child.wait()
        self.log.close()

    def _last_line(self) -> str:
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        with contextlib.suppress(ValueError, AttributeError):
            document = json.loads(lines[-1])
            return str(document.get("message") or document.get("event") or lines[-1])[:500]
        return lines[-1][:500]


_idle: dict[HostSpec, list[ScoringHost]] = {}
_all: list[ScoringHost] = []
_guard = threading.Lock()


@contextlib.contextmanager
def host_of(spec: HostSpec) -> Iterator[ScoringHost]:
    """A host for `spec` that nobody else uses meanwhile, started if none is idle; an exception ends it."""
    with _guard:
        idle = _idle.get(spec, [])
        host = idle.pop() if idle else None
    if host is None:
        host = ScoringHost(spec)
        with _guard:
            _all.append(host)
    try:
        yield host
    except BaseException:
        with _guard:
            if host in _all:
                _all.remove(host)
        host.close()
        raise
    with _guard:
        if host in _all:
            _idle.setdefault(spec, []).append(host)


@atexit.register
def close_all() -> None:
    """End every host of this process."""
    with _guard:
        hosts = list(_all)
        _all.clear()
        _idle.clear()
    for host in hosts:
        host.close()


def score_cells(spec: HostSpec, features: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """One prediction or :class:`Bad` for each row.

    Parameters
    ----------
    spec : HostSpec
    features : sequence of str
        Names of the columns, for the reasons.
    rows : sequence of sequences
        The features' cells, as text or numbers.
    """
    result: list[Any] = [None] * len(rows)
    good, places = [], []
    for place, cells in enumerate(rows):
        numbers = _numbers(features, cells)
        if isinstance(numbers, Bad):
            result[place] = numbers
        else:
            good.append(numbers)
            places.append(place)
    for place, value in zip(places, _score(spec, good), strict=True):
        result[place] = value
    return result


def _numbers(features: Sequence[str], cells: Sequence[Any]) -> list[float] | Bad:
    numbers = []
    for name, cell in zip(features, cells, strict=True):
        if cell is None or cell == "":
            return Bad(name, "the value is missing")
        try:
            number = float(cell)
            if isinstance(cell, str) and "_" in cell:  # of Python's numbers alone
                raise ValueError
        except (TypeError, ValueError):
            return Bad(name, f"{str(cell)[:40]!r} is not a number")
        if not math.isfinite(number):
            return Bad(name, f"{str(cell)[:40]!r} is not a finite number")
        numbers.append(number)
    return numbers


def _score(spec: HostSpec, rows: list[list[float]]) -> list[Any]:
    if not rows:
        return []
    status, answer = _post(spec, rows)
    message = str(answer.get("message", answer) if isinstance(answer, dict) else answer)[:300]
    if status == 200:
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, list) or len(result) != len(rows):
            raise PipelineError(f"the entry script answered {len(rows)} rows with {message}")
        return result
    if len(rows) == 1:
        return [Bad(None, f"status {status}: {message}")]
    # One row spoils the chunk: halve it until that row stands alone.
    middle = len(rows) // 2
    return [*_score(spec, rows[:middle]), *_score(spec, rows[middle:])]


def _post(spec: HostSpec, rows: list[list[float]]) -> tuple[int, Any]:
    for attempt in (1, 2):
        try:
            with host_of(spec) as host:
                return host.post(rows)
        except (OSError, http.client.HTTPException) as error:
            if attempt == 2:
                raise PipelineError(
                    f"the scoring program ended twice while it scored {len(rows)} rows: {error}",
                    hint="look at the entry script, or take smaller chunks: --chunk-rows",
                ) from error
    raise AssertionError("unreachable")
