"""Build a package's image with the local Docker engine, when that is switched on.

The image gets the location of the package as its name, so that ``docker run LOCATION`` finds it without any registry.
It is built without network: the base image must hold Python and what the entry script needs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.hosting.errors import HostError
from fakes.hosting.program import score_program

if TYPE_CHECKING:
    from fakes.core.background import Background

HOST = "azureml-host"


def build(
    folder: Path,
    recipe: str,
    tag: str,
    base: str | None,
    say: Callable[[str], None],
    background: Background,
) -> None:
    """Build `folder` (which holds the application) into an image called `tag`.

    Raises
    ------
    HostError
        There is no ``docker`` command, no engine answers, or the build fails; the log says why.
    """
    if shutil.which("docker") is None:
        raise HostError("local images are switched on, but there is no docker command")
    shutil.copytree(score_program(), folder / HOST, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "Dockerfile").write_text(_offline(recipe, base), encoding="utf-8")
    child = background.spawn(
        ["docker", "build", "--network", "none", "--tag", tag, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    lines: list[str] = []
    for line in child.stdout:
        lines.append(line.rstrip())
        say(line.rstrip())
    if child.wait() != 0:
        raise HostError(f"docker build failed: {lines[-1] if lines else 'it said nothing'}")


def _offline(recipe: str, base: str | None) -> str:
    """Return the recipe without downloads, serving with the scoring host instead of one from a package index."""
    kept = []
    for line in recipe.splitlines():
        if line.startswith("FROM ") and base is not None:
            line = f"FROM {base}"
        if line.startswith(("COPY requirements.txt", "RUN python -m pip", "CMD ")):
            continue
        kept.append(line)
    kept += [
        f"COPY {HOST} /var/{HOST}",
        f'CMD ["python", "/var/{HOST}", "--host", "0.0.0.0", "--port", "5001"]',
    ]
    return "\n".join(kept) + "\n"
