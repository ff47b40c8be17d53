"""Runs a script on the machine of the client and reports to run history: what a "local" run starts.

A program of its own: the service packs it into the archive that the SDK unpacks and starts. Standard library only; it
finds its way by the proxy and certificate variables of the client.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

SETUP = Path(__file__).resolve().parent
PROJECT = SETUP.parent
LOG = "user_logs/std_log.txt"
FLUSH_SECONDS = 0.5
TAIL = 2000


class Service:
    """The two services that the run reports to."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec

    def _post(self, url: str, body: bytes, kind: str) -> None:
        headers = {"Authorization": f"Bearer {self._spec['token']}", "Content-Type": kind}
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - an address of the service
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            answer.read()

    def event(self, name: str, **data: Any) -> None:
        """Report an event of the run."""
        now = datetime.now(timezone.utc).isoformat()
        body = {
            "timestamp": now,
            "name": f"Microsoft.MachineLearning.Run.{name}",
            "data": {"RunId": self._spec["runId"], **data},
        }
        self._post(f"{self._spec['run']}/events", json.dumps(body).encode(), "application/json")

    def file(self, name: str, data: bytes, *, append: bool = False) -> None:
        """Keep or extend an artifact of the run."""
        query = "?append=true" if append else ""
        url = f"{self._spec['artifacts']}/{urllib.parse.quote(name)}{query}"
        self._post(url, data, "application/octet-stream")


def run(spec: dict[str, Any], service: Service) -> tuple[int | None, bytes]:
    """Run the script, its output into the log; gives the exit code (None: canceled) and the end of the output."""
    environment = {**os.environ, **spec["variables"]}
    child = subprocess.Popen(
        spec["argv"],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    if child.stdout is None:
        raise RuntimeError("the script has no output")
    waiting = tail = b""
    sent = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.get_map() or child.poll() is None:
            for key, _ in selector.select(FLUSH_SECONDS) if selector.get_map() else []:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                waiting += data
            if not selector.get_map():
                time.sleep(0.05)
            if waiting and time.monotonic() - sent > FLUSH_SECONDS:
                service.file(LOG, waiting, append=True)
                tail, waiting, sent = (tail + waiting)[-TAIL:], b"", time.monotonic()
            if (SETUP / "killfile").exists():
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                return None, tail
    if waiting:
        service.file(LOG, waiting, append=True)
    return child.wait(), (tail + waiting)[-TAIL:]


def keep(service: Service) -> None:
    """Keep what the script left in its folders for it."""
    for folder in ("outputs", "logs"):
        for path in sorted(p for p in (PROJECT / folder).rglob("*") if p.is_file()):
            service.file(path.relative_to(PROJECT).as_posix(), path.read_bytes())


def main() -> None:
    """Run once."""
    spec = json.loads((SETUP / "run.json").read_text())
    service = Service(spec)
    for folder in ("outputs", "logs"):
        (PROJECT / folder).mkdir(exist_ok=True)
    service.event("Start", StartTime=datetime.now(timezone.utc).isoformat())
    try:
        code, tail = run(spec, service)
    except OSError as error:
        code, tail = 127, str(error).encode()
    keep(service)
    end = datetime.now(timezone.utc).isoformat()
    if code is None:
        service.event("Canceled", EndTime=end)
    elif code == 0:
        service.event("Completed", EndTime=end)
    else:
        said = tail.decode("utf-8", "replace").partition("Cleaning up all outstanding Run operations")[0]
        message = (
            f"Execution failed. User process 'python' exited with status code {code}. Please check log file '{LOG}' "
            f"for error details. Error: {said.strip()}"
        )
        service.event("Error", ErrorResponse={"error": {"code": "UserError", "message": message, "details": []}})
        service.event("Failed", EndTime=end)


if __name__ == "__main__":
    main()
