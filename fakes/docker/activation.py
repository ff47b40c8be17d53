"""``mock_docker``: a context manager, decorator and fixture body that puts the mocked engine in Docker's place.

It listens on a Unix socket and says so in ``DOCKER_HOST``: docker-py, the ``docker`` command and child processes all
find it. Nothing is patched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from fakes.docker.engine import MockEngine
from fakes.docker.server import Server

_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


class mock_docker(contextlib.ContextDecorator):
    """A Docker engine that is none, for the time of a block.

    Examples
    --------
    >>> from fakes import mock_docker
    >>> with mock_docker() as engine:
    ...     engine.address.startswith("unix://")
    True
    """

    def __init__(self) -> None:
        self._engine: MockEngine | None = None
        self._server: Server | None = None
        self._folder: Path | None = None
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> MockEngine:
        """Start the engine and name it in ``DOCKER_HOST``."""
        engine = MockEngine()
        # Paths of Unix sockets are short (108 bytes on Linux), and temporary folders of test runners are deep.
        self._folder = Path(tempfile.mkdtemp(prefix="fd-", dir="/tmp"))
        path = self._folder / "s"
        self._server = Server(str(path), engine)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="mock-docker", daemon=True).start()
        engine.address = f"unix://{path}"
        engine.add_base(f"python:{_minor()}-slim")
        self._before = {name: os.environ.get(name) for name in _VARIABLES}
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ["DOCKER_HOST"] = engine.address
        self._engine = engine
        return engine

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the engine, its containers and its files."""
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._engine is not None:
            self._engine.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _minor() -> str:
    from fakes.docker.engine import PYTHON

    return PYTHON
