"""Make sure that no child and no file outlives this process, however it ends.

``atexit`` does not run when a process is killed, and ``PR_SET_PDEATHSIG`` fires when the *thread* that started the
child ends. So one small watcher process holds the other end of a pipe: when the pipe closes, it kills what is left and
removes the temporary folder of this process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from fakes.core.folders import process_folder

# Reads "+GROUP" and "-GROUP" lines; at end of file, kills every group still there, and removes the folder unless a "."
# said that the end is a usual one.
WATCH = """
import os, shutil, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
groups, usual = set(), False
for line in sys.stdin:
    if line[0] == '.':
        usual = True
    else:
        (groups.add if line[0] == '+' else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
for _ in range(0 if usual else 50):  # what was killed may still be writing
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(0.1)
"""


class Warden:
    """The process groups started by this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._groups: set[int] = set()
        self._folders: set[Path] = set()

    def add(self, group: int) -> None:
        """Watch process group `group`."""
        with self._lock:
            self._start()
            self._groups.add(group)
            self._tell(f"+{group}")

    def watch(self, folder: Path) -> None:
        """Stay while a folder below the temporary one may hold much."""
        with self._lock:
            self._start()
            self._folders.add(folder)

    def forget(self, folder: Path) -> None:
        """A watched folder was removed."""
        with self._lock:
            self._forget_parent()
            self._folders.discard(folder)
            if not self._groups and not self._folders:
                self._dismiss()

    def _start(self) -> None:
        self._forget_parent()
        if self._watcher is None or self._watcher.poll() is not None:
            self._watcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", WATCH, str(process_folder())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            for known in self._groups:
                self._tell(f"+{known}")

    def remove(self, group: int) -> None:
        """Stop watching `group`: it has ended."""
        with self._lock:
            self._forget_parent()
            self._groups.discard(group)
            self._tell(f"-{group}")
            if not self._groups and not self._folders:
                self._dismiss()

    def close(self) -> None:
        """Kill what is left and stop the watcher."""
        with self._lock:
            self._forget_parent()
            for group in self._groups:
                with contextlib.suppress(OSError):
                    os.killpg(group, signal.SIGKILL)
            self._groups.clear()
            self._folders.clear()
            self._dismiss()

    def _tell(self, line: str) -> None:
        if self._watcher is None or self._watcher.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._watcher.stdin.write(f"{line}\n".encode())
            self._watcher.stdin.flush()

    def _dismiss(self) -> None:
        self._tell(".")
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.stdin is not None:
            with contextlib.suppress(OSError):
                watcher.stdin.close()
            watcher.wait()

    def _forget_parent(self) -> None:
        """After a fork the children belong to the parent, not to us."""
        if self._owner != os.getpid():
            self._owner = os.getpid()
            self._watcher = None
            self._groups, self._folders = set(), set()


warden = Warden()
atexit.register(warden.close)
