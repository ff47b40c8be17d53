"""Programs that outlive the command that starts them, found and ended by the lock that they hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.errors import DeployError
from deploy.local.files import is_locked, try_lock

# The program writes its own process id before it becomes what it is: there is no moment at which it runs unrecorded.
_LAUNCH = "import os,sys;f=open(sys.argv[1],'w');f.write(str(os.getpid()));f.close();os.execv(sys.argv[2],sys.argv[2:])"
# A program gets what an image would have, not what the shell that deploys happens to hold (credentials, PYTHONPATH).
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
_children: dict[int, subprocess.Popen[bytes]] = {}


class Program:
    """One detached program: ``lock`` is held while it (or a child of it) lives, ``pid`` holds its process id."""

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self.pid_file = lock.with_suffix(".pid")

    def start(
        self,
        command: Sequence[str],
        *,
        stdout: Path,
        stderr: Path,
        cwd: Path,
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start it in a session of its own: no signal of the terminal reaches it.

        Raises
        ------
        deploy.errors.DeployError
            It runs already, or cannot be started.
        """
        held = try_lock(self.lock)
        if held is None:
            raise DeployError(f"{self.lock.stem} of {self.lock.parent.name} runs already")
        self.pid_file.unlink(missing_ok=True)
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(self.pid_file), *command]
        try:
            with held, stdout.open("ab") as out, stderr.open("ab") as err:
                child = subprocess.Popen(
                    launcher,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=cwd,
                    env=dict(env),
                    start_new_session=True,
                    pass_fds=[*pass_fds, held.fileno()],
                )
        except OSError as error:
            raise DeployError(f"cannot start {command[0]}: {error.strerror or error}") from error
        _children[child.pid] = child

    @property
    def alive(self) -> bool:
        """Whether it lives."""
        return is_locked(self.lock)

    @property
    def pid(self) -> int | None:
        """Its process id, if it lives and has written it."""
        try:
            return int(self.pid_file.read_text()) if self.alive else None
        except (OSError, ValueError):
            return None

    def exit_code(self) -> int | None:
        """How it ended, when this very process started it; else ``None``."""
        try:
            child = _children.get(int(self.pid_file.read_text()))
        except (OSError, ValueError):
            return None
        return child.poll() if child is not None else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its children."""
        wait_until(lambda: self.pid is not None or not self.alive, 5.0)  # just started: it is about to write its id
        pid = self.pid
        if pid is None:
            return
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def stop(self, grace: float = 10.0) -> None:
        """End it: SIGTERM, `grace` seconds, SIGKILL; returns when it is gone."""
        self.signal(signal.SIGTERM)
        if not wait_until(lambda: not self.alive, grace):
            self.signal(signal.SIGKILL)
            wait_until(lambda: not self.alive, 10.0)
        self._reap()

    def _reap(self) -> None:
        try:
            child = _children.pop(int(self.pid_file.read_text()), None)
        except (OSError, ValueError):
            return
        if child is not None:
            child.wait(timeout=10)


def host_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a detached program: a few neutral variables of this one, and `env`."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **env}


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.02) -> bool:
    """Wait until `condition` holds; whether it did before `timeout` seconds had passed."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
