"""Services as plain processes of this machine: what a laptop without Docker has."""

from __future__ import annotations

import time
from pathlib import Path

from deploy import host
from deploy.content import assemble
from deploy.errors import DeployFailed, DeployTimeout
from deploy.images import Image, PackageRequest, Progress
from deploy.local.files import tail
from deploy.local.front import PORTS
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
        if package.lock.is_file():  # then it sees what an image would have, not what happens to be installed here
            host.restrict(place.folder, package.lock)

    def start(self, place: Place, record: RevisionRecord, *, timeout: float, progress: Progress) -> int:
        program, said = _program(place), place.folder / "ready.json"
        said.unlink(missing_ok=True)
        program.start(
            host.command(place.folder, record.entry_script, "--keys-file", str(place.keys_file)),
            stdout=said,
            stderr=_log(place),
            cwd=place.folder / "app",
            env=host_environment(record.env),
        )
        progress(f"waiting for {record.model} to be ready")
        deadline = time.monotonic() + timeout
        while True:
            ready = host.ready(said)
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
    ports : range
        Where new services get their addresses.
    """

    def __init__(self, root: Path, *, ports: range = PORTS) -> None:
        super().__init__(root, [ProcessRunner()], ports=ports)


def _program(place: Place) -> Program:
    return Program(place.folder / "alive.lock")


def _log(place: Place) -> Path:
    return place.folder / "log.jsonl"
