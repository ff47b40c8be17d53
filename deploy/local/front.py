"""Starts, asks and stops the gateway of a service."""

from __future__ import annotations

import errno
import json
import secrets
import socket
import sys
import zlib
from pathlib import Path
from typing import Any

from deploy import http
from deploy.errors import DeployError, DeployTimeout
from deploy.local.files import read_json, tail, write_json
from deploy.local.programs import Program, wait_until
from deploy.local.routing import STATUS_PATH, TOKEN_HEADER
from deploy.local.state import ServiceFolder

PORTS = range(8500, 9000)
"""Where services get their addresses: below what systems give to outgoing connections (from 32768 on Linux)."""
KIT = Path(__file__).resolve().parents[2]


class Front:
    """The gateway of one service, seen from outside."""

    def __init__(self, folder: ServiceFolder, ports: range = PORTS) -> None:
        self.folder = folder
        self.ports = ports
        self.program = Program(folder.gateway_lock)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.program.alive

    def start(self, port: int | None, env: dict[str, str]) -> int:
        """Start it on `port` (``None``: a free one) unless it runs, and return the port.

        Raises
        ------
        deploy.errors.DeployError
            The port is taken by another program.
        """
        if self.alive and port is not None:
            return port
        with _listen([port] if port is not None else self._candidates(), self.folder.name) as listening:
            write_json(self.folder.path / "gateway.json", {"token": secrets.token_urlsafe(24)})
            self.program.start(
                [
                    sys.executable,
                    "-m",
                    "deploy.local.gateway",
                    "--folder",
                    str(self.folder.path),
                    "--fd",
                    str(listening.fileno()),
                ],
                stdout=self.folder.gateway_log,
                stderr=self.folder.gateway_log,
                cwd=KIT,
                env=env,
                pass_fds=[listening.fileno()],
            )
            chosen = int(listening.getsockname()[1])
        if not wait_until(lambda: not self.alive or self._answers(chosen), 60):
            self.stop()
            raise DeployTimeout(f"the gateway of {self.folder.name!r} does not answer", phase="start")
        if not self.alive:
            raise DeployError(f"the gateway of {self.folder.name!r} ended: {tail(self.folder.gateway_log, 5)}")
        return chosen

    def counts(self, port: int, *, reset: bool = False) -> dict[str, Any]:
        """Requests, errors and latencies by revision. Raises ``DeployError`` if it does not answer."""
        token = (read_json(self.folder.path / "gateway.json") or {}).get("token", "")
        url = f"http://127.0.0.1:{port}{STATUS_PATH}"
        try:
            answer = http.call("DELETE" if reset else "GET", url, headers={TOKEN_HEADER: token}, timeout=10)
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            document: dict[str, Any] = json.loads(answer.body)
        except (OSError, ValueError) as error:
            raise DeployError(
                f"the gateway of {self.folder.name!r} does not answer: {error}",
                hint=f"mlops services start {self.folder.name}",
            ) from error
        return document

    def drained(self, port: int, generation: int, revision: str, timeout: float) -> bool:
        """Wait until the gateway follows `generation` and `revision` has no request in flight."""

        def done() -> bool:
            try:
                counts = self.counts(port)
            except DeployError:
                return not self.alive
            busy = any(item["id"] == revision and item["in_flight"] for item in counts["revisions"])
            return bool(counts["generation"] >= generation) and not busy

        return wait_until(done, timeout, 0.05)

    def stop(self) -> None:
        """End it; requests in flight are answered first."""
        self.program.stop(grace=35.0)

    def _answers(self, port: int) -> bool:
        try:
            self.counts(port)
        except DeployError:
            return False
        return True

    def _candidates(self) -> list[int]:
        """Ports to try for a new service, then 0 (any). Each service of each project begins at another one, so that
        one which is stopped for a while is not likely to find its address taken by a newer one.
        """
        seed = zlib.crc32(str(self.folder.path).encode()) % len(self.ports)
        return [*self.ports[seed:], *self.ports[:seed], 0]


def _listen(candidates: list[int], service: str) -> socket.socket:
    """A socket that listens. The gateway inherits it, so no other program can take the port in between."""
    for candidate in candidates:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", candidate))
            listening.listen(256)
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise DeployError(f"cannot listen on port {candidate}: {error.strerror}") from error
            continue
        return listening
    port = candidates[0]
    raise DeployError(
        f"port {port}, the address of service {service!r}, is taken by another program",
        hint=f"end that program (ss -ltnp 'sport = :{port}' shows it), or mlops services delete {service}",
    )
