"""What stands in for the cloud: the local backend's folder, or the fake of Azure ML."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearse.errors import RehearseError


@dataclass
class Cloud:
    """How the commands of a rehearsal reach what stands in for the cloud."""

    backend: str
    root: Path
    venv: Path
    environment: dict[str, str] = field(default_factory=dict)
    signed_in: dict[str, str] = field(default_factory=dict)

    def opener(self) -> urllib.request.OpenerDirector:
        """What opens addresses of services."""
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def mlops(self, *arguments: str) -> Any:
        """Run an ``mlops`` command outside of any pipeline, and read the document that it prints."""
        program = self.venv / "bin" / "mlops"
        variables = {**os.environ, **self.environment, **self.signed_in, "MLOPS_BACKEND": self.backend}
        done = subprocess.run(
            [str(program), *arguments, "-o", "json"],
            cwd=self.root,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RehearseError(f"mlops {' '.join(arguments)} exits {done.returncode}: {done.stderr.strip()[-400:]}")
        return json.loads(done.stdout)


@contextmanager
def open_cloud(backend: str, root: Path, scratch: Path) -> Iterator[Cloud]:
    """Start it; end what it started.

    Raises
    ------
    RehearseError
        The environment of the project is missing.
    """
    venv = Path(os.environ.get("VENV", root / ".venv")).absolute()
    if not (venv / "bin" / "mlops").exists():
        raise RehearseError(f"there is no environment in {venv}", hint="make dev")
    caches = {"MYPY_CACHE_DIR": str(root / ".mypy_cache"), "RUFF_CACHE_DIR": str(root / ".ruff_cache")}
    if backend == "local":
        state = scratch / "state"
        cloud = Cloud(backend, root, venv, {**caches, "MLOPS_STATE": str(state), "MLOPS_SERVICES_TARGET": "process"})
        try:
            yield cloud
        finally:
            if state.exists():
                cloud.mlops("services", "stop", "--all")
        return
    raise RehearseError(f"the backend {backend!r} cannot be rehearsed")
