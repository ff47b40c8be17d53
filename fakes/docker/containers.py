"""Containers of the mocked engine: child processes whose paths and ports are mapped to this machine's.

There is no isolation at all. Absolute paths in arguments and variables that lie in the image, or below a bind mount,
become paths of this machine; an interpreter that the image would have installed is the one that runs this; a published
port is given to the program in place of the container's own port.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from fakes.core.warden import warden

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


class Container:
    """One container. `config` is the body of the request that created it; `root` the files of its image."""

    def __init__(self, container_id: str, name: str, image: str, root: Path, config: dict[str, Any]) -> None:
        self.id, self.name, self.image, self.root, self.config = container_id, name, image, root, config
        self.created = datetime.now(timezone.utc)
        self.started = self.finished = "0001-01-01T00:00:00Z"
        self.ports: dict[str, int] = {}
        self.exit_code = 0
        self.error = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._alive = False
        self._changed = threading.Condition()
        self._log: list[tuple[int, bytes]] = []
        self._open_streams = 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._alive

    @property
    def status(self) -> str:
        """``created``, ``running`` or ``exited``."""
        if self._process is None:
            return "created"
        return "running" if self.running else "exited"

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return self._process.pid if self._process and self.running else 0

    def start(self) -> None:
        """Start the process. Raises ``OSError`` when its program does not exist."""
        if self.running:
            return
        self.ports = self._publish()
        argv = [self._map(word) for word in self._argv()]
        argv[0] = self._program(argv[0])
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        env |= {"HOME": str(self.root)}
        for item in self.config.get("Env") or []:
            name, _, value = item.partition("=")
            env[name] = self._map(value)
        workdir = Path(self._map(self.config.get("WorkingDir") or "/"))
        self.exit_code, self.finished = 0, "0001-01-01T00:00:00Z"
        self.started = _now()
        process = subprocess.Popen(
            argv,
            cwd=workdir if workdir.is_dir() else self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        warden.add(process.pid)
        self._process = process
        self._alive = True
        self._open_streams = 2
        for number, stream in ((1, process.stdout), (2, process.stderr)):
            assert stream is not None  # noqa: S101 - they are pipes
            threading.Thread(target=self._read, args=(number, stream), daemon=True).start()
        threading.Thread(target=self._wait_for, args=(process,), daemon=True).start()

    def signal(self, number: int) -> None:
        """Send a signal to the process group."""
        if self._process is not None and self.running:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return

    def stop(self, timeout: float) -> None:
        """Ask the process to end; kill it after `timeout` seconds."""
        self.signal(signal.SIGTERM)
        with self._changed:
            self._changed.wait_for(lambda: not self.running, timeout)
        self.kill()

    def kill(self) -> None:
        """Kill the process and wait until it is gone."""
        self.signal(signal.SIGKILL)
        with self._changed:
            self._changed.wait_for(lambda: not self.running, 10)

    def wait(self) -> int:
        """Wait until the process ended and its output is complete; return its exit code."""
        with self._changed:
            self._changed.wait_for(lambda: not self.running and self._open_streams == 0)
        return self.exit_code

    def log(self, tail: int | None, follow: bool, streams: set[int]) -> Iterator[tuple[int, bytes]]:
        """Give the output as ``(stream, line)``, the last `tail` lines of it, and go on while it runs if `follow`."""
        with self._changed:
            lines = list(self._log)
        seen = len(lines)
        wanted = [item for item in lines if item[0] in streams]
        yield from wanted if tail is None else (wanted[-tail:] if tail > 0 else [])
        while follow and (lines := self._more(seen)):
            seen += len(lines)
            yield from (item for item in lines if item[0] in streams)

    def _more(self, seen: int) -> list[tuple[int, bytes]]:
        """Wait for output after the first `seen` lines; none when the process ended."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._log) > seen or (not self.running and self._open_streams == 0))
            return self._log[seen:]

    def inspect(self) -> dict[str, Any]:
        """Return what ``GET /containers/ID/json`` answers."""
        host = dict(self.config.get("HostConfig") or {})
        exposed = list(self.config.get("ExposedPorts") or {})
        ports = {
            port: [{"HostIp": "127.0.0.1", "HostPort": str(self.ports[port])}]
            if self.running and port in self.ports
            else None
            for port in exposed
        }
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Created": self.created.isoformat(),
            "Path": (self._argv() or [""])[0],
            "Args": self._argv()[1:],
            "Image": self.image,
            "RestartCount": 0,
            "State": {
                "Status": self.status,
                "Running": self.running,
                "Paused": False,
                "Restarting": False,
                "OOMKilled": False,
                "Dead": False,
                "Pid": self.pid,
                "ExitCode": self.exit_code,
                "Error": self.error,
                "StartedAt": self.started,
                "FinishedAt": self.finished,
            },
            "Config": {
                key: value for key, value in self.config.items() if key not in ("HostConfig", "NetworkingConfig")
            },
            "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}, **host},
            "NetworkSettings": {"Ports": ports if self.running else {}, "IPAddress": ""},
            "Mounts": [],
        }

    def _argv(self) -> list[str]:
        return [*(self.config.get("Entrypoint") or []), *(self.config.get("Cmd") or [])]

    def _publish(self) -> dict[str, int]:
        """Choose a loopback port for each published port; a fixed one that is taken is an error."""
        found: dict[str, int] = {}
        bindings = (self.config.get("HostConfig") or {}).get("PortBindings") or {}
        for port, places in bindings.items():
            wanted = int((places or [{}])[0].get("HostPort") or 0)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", wanted))
                except OSError as error:
                    raise OSError(f"Bind for 127.0.0.1:{wanted} failed: port is already allocated") from error
                found[port] = probe.getsockname()[1]
        return found

    def _map(self, word: str) -> str:
        """Map one argument or value: paths of the container, its own ports, and the address that means all."""
        for port, published in self.ports.items():
            if word == port.partition("/")[0]:
                return str(published)
        if word == "0.0.0.0":  # noqa: S104 - it is taken away here
            return "127.0.0.1"
        if not word.startswith("/"):
            return word
        for bind in (self.config.get("HostConfig") or {}).get("Binds") or []:
            source, target = bind.split(":")[:2]
            if word == target or word.startswith(f"{target}/"):
                return f"{source}{word[len(target) :]}"
        inside = self.root / word.lstrip("/")
        return str(inside) if inside.exists() or word == "/" else word

    def _program(self, program: str) -> str:
        """An interpreter that RUN would have made is the one that runs this."""
        if re.fullmatch(r"python(\d(\.\d+)?)?", Path(program).name) and not Path(program).exists():
            return sys.executable
        if "/" in program and not Path(program).exists():
            raise FileNotFoundError(f'exec: "{program}": stat {program}: no such file or directory: unknown')
        return program

    def _read(self, number: int, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._log.append((number, line))
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        warden.remove(process.pid)
        with self._changed:
            # A signal n is told as 128 + n.
            self.exit_code = code if code >= 0 else 128 - code
            self.finished = _now()
            self._alive = False
            self._changed.notify_all()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
