"""An environment of its own for each peer, made once in a cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = {
    "mlflow_sqlite": ["mlflow-skinny==3.17.2", "sqlalchemy", "alembic"],
    "modelstore_files": ["modelstore==0.0.82", "scikit-learn"],
}


def cache() -> Path:
    """``$MLOPS_BENCH_CACHE``, else ``mlops-bench`` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mlops-bench"
    return Path(os.environ.get("MLOPS_BENCH_CACHE", default))


def python_of(peer: str) -> tuple[str, str | None]:
    """The interpreter of a peer, and why it cannot be had, if so."""
    if peer not in REQUIREMENTS:
        return sys.executable, None
    folder = cache() / f"{peer}-{sys.version_info[0]}.{sys.version_info[1]}"
    python = folder / "bin" / "python"
    if not (folder / ".made").exists():
        print(f"making an environment for {peer} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *REQUIREMENTS[peer]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return str(python), f"pip: {done.stderr.strip().splitlines()[-1]}"
        (folder / ".made").touch()
    return str(python), None
