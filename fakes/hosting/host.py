"""One running host of one entry script: start, wait until ready, ask, read its log, stop."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from fakes.core.warden import warden
from fakes.hosting.errors import HostCrashed, HostNotReady
from fakes.hosting.program import HostRequest, command

# What a child gets from our own environment: enough to find programs, never credentials, proxies or PYTHONPATH.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_DIR")
STOP_SECONDS = 2.0

Spawn = Callable[..., "subprocess.Popen[Any]"]
"""``(args, **options)`` as for `subprocess.Popen`; starts the child in a process group of its own."""


def _spawn(args: list[str], **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(args, start_new_session=True, **options)


class Host:
    """A child process that serves an entry script on a loopback port.

    Parameters
    ----------
    request : HostRequest
        What to run.
    log : Path
        File that gets everything the process writes; kept after the process ends.
    spawn : callable, optional
        How to start the child.

    Raises
    ------
    fakes.hosting.errors.HostMissing
        There is no such program.
    """

    def __init__(self, request: HostRequest, log: Path, spawn: Spawn = _spawn) -> None:
        self._log_path = log
        self._changed = threading.Condition()
        self._port: int | None = None
        self._ready = False
        self._exit_code: int | None = None
        self._stopping = False
        started = command(request)
        self._cleanup = started.cleanup
        # The port that a program inside a container announces is the container's own.
        self._probed = started.port
        home = log.parent
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env |= {"HOME": str(home), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {
            "AML_APP_ROOT": str(request.root),
            "AZUREML_MODEL_DIR": str(request.model_dir),
            "AZUREML_ENTRY_SCRIPT": request.entry_script,
        }
        env |= request.environment
        with log.open("ab") as sink:
            self._process = spawn(
                started.argv,
                cwd=request.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
            )
        warden.add(self._process.pid)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        threading.Thread(target=self._drain, args=(self._process.stdout,), name="host-output", daemon=True).start()
        threading.Thread(target=self._reap, name="host-exit", daemon=True).start()
        if started.port is not None:
            threading.Thread(target=self._probe, args=(started.port,), name="host-probe", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id, which is its process group's too."""
        return self._process.pid

    @property
    def port(self) -> int | None:
        """Loopback port once ready."""
        return self._port

    @property
    def exit_code(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self._exit_code

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._exit_code is None

    def wait_ready(self, timeout: float) -> int:
        """Wait until the process answers and return its port.

        Raises
        ------
        HostCrashed
            It ended first.
        HostNotReady
            `timeout` seconds passed; the process runs on.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not self._ready:
                if self._exit_code is not None:
                    raise HostCrashed(
                        f"the host ended with exit code {self._exit_code} before it was ready",
                        exit_code=self._exit_code,
                        log=self.log(),
                    )
                left = deadline - time.monotonic()
                if left <= 0:
                    raise HostNotReady(f"the host was not ready after {timeout:g} s")
                self._changed.wait(left)
        if self._port is None:  # pragma: no cover - ready implies a port
            raise HostNotReady("the host named no port")
        return self._port

    def wait_exit(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for the process to end; return its exit code, or ``None`` when it runs on."""
        with self._changed:
            self._changed.wait_for(lambda: self._exit_code is not None, timeout)
            return self._exit_code

    def log(self, lines: int | None = None) -> str:
        """Return the last `lines` lines of what the process wrote (all of it when ``None``)."""
        try:
            text = self._log_path.read_bytes().decode("utf-8", "replace")
        except OSError:
            return ""
        if lines is None:
            return text
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""

    def stop(self) -> None:
        """End the process and everything it started; returns when it is gone."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        with self._changed:
            self._changed.wait_for(lambda: self._exit_code is not None, STOP_SECONDS)
        # The group may hold workers that ignored the signal even when the leader is gone.
        self._signal(signal.SIGKILL)
        with self._changed:
            self._changed.wait_for(lambda: self._exit_code is not None, STOP_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, number)

    def _drain(self, output: IO[bytes]) -> None:
        """Read the line that says it is ready; what else comes on standard output belongs to the log."""
        # Whoever kills the group closes the pipe too, hence ValueError.
        with contextlib.suppress(OSError, ValueError), output, self._log_path.open("ab") as sink:
            for line in output:
                if self._port is None and self._probed is None and self._announce(line):
                    continue
                sink.write(line)
                sink.flush()

    def _announce(self, line: bytes) -> bool:
        try:
            said = json.loads(line)
            if said["event"] != "ready":
                return False
            port = int(said["port"])
        except (ValueError, TypeError, KeyError):
            return False
        self._set_ready(port)
        return True

    def _set_ready(self, port: int) -> None:
        with self._changed:
            self._port = port
            self._ready = True
            self._changed.notify_all()

    def _probe(self, port: int) -> None:
        """For programs that do not say so themselves: ready once ``GET /`` answers."""
        while self.running and not self._stopping:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    self._set_ready(port)
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            with self._changed:
                self._changed.wait_for(lambda: self._exit_code is not None, 0.05)

    def _reap(self) -> None:
        code = self._process.wait()
        if self._cleanup is not None:
            subprocess.run(self._cleanup, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        with self._changed:
            self._exit_code = code
            self._changed.notify_all()
        # Workers may outlive the leader.
        self._signal(signal.SIGKILL)
        warden.remove(self._process.pid)
