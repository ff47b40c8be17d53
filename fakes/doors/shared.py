"""The server of this process: started when something needs it that the in-process door cannot see.

One for all activations: the native data engine reads its proxy once in a process, so the port must not change.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes.core.folders import process_folder
from fakes.core.warden import WATCH
from fakes.doors.client import proxy_variables, write_certificates

if TYPE_CHECKING:
    from fakes.core.application import Application

_ENGINE = "azureml.dataprep.rslex"
# Asked about the machine only; need no network.
_HARMLESS = ("uname", "ldconfig", "gcc", "cc", "ld", "file", "git")
_SPAWNS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec", "os.spawn"})


class SharedServer:
    """The server of this process over whichever application is active."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self._application = application
        self._lock = threading.RLock()
        self._address: str | None = None
        self._folder = Path()
        self._watching = False
        self._wanted: Callable[[], bool] = lambda: False

    @property
    def running(self) -> bool:
        """Whether it was started."""
        return self._address is not None

    @property
    def address(self) -> str | None:
        """Its address, when it was started."""
        return self._address

    def variables(self, *, other_hosts: bool = False) -> dict[str, str]:
        """Start it if need be, and return the variables that lead to it (`other_hosts` as in `proxy_variables`)."""
        with self._lock:
            if self._address is None:
                # Imported here: an activation that needs no server does not pay for it.
                from fakes.doors.server import Server

                server = Server(self._application, tunnel=True).start()
                self._folder = process_folder()  # kept: that of a forked child is another
                write_certificates(self._folder, server.authority.pem)
                self._address = server.address
            return proxy_variables(self._address, self._folder, other_hosts=other_hosts)

    def enter_environment(self, *, other_hosts: bool = True) -> None:
        """Set the variables in this process, for child processes and the native engine."""
        os.environ.update(self.variables(other_hosts=other_hosts))

    def watch(self, wanted: Callable[[], bool]) -> None:
        """Set the variables by itself when a process is started or the native engine is imported while `wanted`."""
        self._wanted = wanted
        if not self._watching:
            self._watching = True
            sys.addaudithook(self._audit)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            if not str(args[0]).startswith(_ENGINE):
                return
        elif event not in _SPAWNS or (event == "subprocess.Popen" and _harmless(args)):
            return
        if self._wanted():
            self.enter_environment()


def engine_loaded() -> bool:
    """Tell whether the native data engine is in this process."""
    return any(name.startswith(_ENGINE) for name in list(sys.modules))


def _harmless(args: tuple[Any, ...]) -> bool:
    try:
        program = os.fsdecode(args[0] or args[1][0])
    except (TypeError, IndexError):
        return False
    return Path(program).name in _HARMLESS or WATCH in (args[1] or ())
