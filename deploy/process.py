"""Services as plain processes of this machine: what a laptop without Docker has."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from deploy.content import assemble
from deploy.errors import DeployFailed, DeployTimeout
from deploy.images import Image, PackageRequest, Progress
from deploy.local.files import tail
from deploy.local.programs import Program, host_environment
from deploy.local.runners import Place, Runner
from deploy.local.services import LocalServices
from deploy.local.state import RevisionRecord


class ProcessRunner(Runner):
    """Runs the scoring host with this Python."""

    target = "process"

    def check(self) -> None:
        """A process can always be had."""

    def prepare(self, place: Place, package: PackageRequest, image: Image | None) -> None:
        assemble(package, place.folder)

    def start(self, place: Place, record: RevisionRecord, *, timeout: float, progress: Progress) -> int:
        program, said = _program(place), place.folder / "ready.json"
        said.unlink(missing_ok=True)
        program.start(
            [
                sys.executable,
                str(place.folder / "host" / "score"),
                "--entry-script",
                str(place.folder / "app" / record.entry_script),
                "--model-dir",
                str(place.folder / "model"),
                "--root",
                str(place.folder / "app"),
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--keys-file",
                str(place.keys_file),
            ],
            stdout=said,
            stderr=_log(place),
            cwd=place.folder / "app",
            env=host_environment(record.env),
        )
        progress(f"waiting for {record.model} to be ready")
        deadline = time.monotonic() + timeout
        while True:
            ready = _ready(said)
            if ready is not None:
                return int(ready["port"])
            if not program.alive:
                code = program.exit_code()
                raise DeployFailed(
                    f"the scoring host of {record.model} ended before it was ready (exit code {code})",
                    phase="start",
                    exit_code=code,
                    logs=self.logs(place, record, 20),
                )
            if time.monotonic() > deadline:
                raise DeployTimeout(
                    f"the scoring host of {record.model} was not ready within {timeout:g} s",
                    phase="ready",
                    logs=self.logs(place, record, 20),
                )
            time.sleep(0.02)

    def alive(self, place: Place, record: RevisionRecord) -> bool:
        return _program(place).alive

    def stop(self, place: Place, record: RevisionRecord, *, grace: float = 10.0) -> None:
        _program(place).stop(grace)

    def logs(self, place: Place, record: RevisionRecord, lines: int) -> str:
        return tail(_log(place), lines)


class ProcessServices(LocalServices):
    """All services of a project, each revision a process.

    Parameters
    ----------
    root : pathlib.Path
        Where they are kept (``.mlops/services``).
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, [ProcessRunner()])


def _program(place: Place) -> Program:
    return Program(place.folder / "alive.lock")


def _log(place: Place) -> Path:
    return place.folder / "log.jsonl"


def _ready(said: Path) -> dict[str, Any] | None:
    """The line that the host prints when it is ready; ``None`` before."""
    try:
        line, newline, _ = said.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    if not newline:
        return None
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("event") == "ready" else None
