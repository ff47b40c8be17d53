"""Which program hosts an entry script, and how it is called."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from fakes.hosting import guard
from fakes.hosting.errors import HostMissing

SCORE = "score"
INFERENCE_SERVER = "azmlinfsrv"
CONTAINER = "container"
# Where things lie in the container, as in Azure's images.
_APP = "/var/azureml-app"
_HOST = "/var/azureml-host"


@dataclass(frozen=True)
class HostRequest:
    """What to run.

    Attributes
    ----------
    root : Path
        Folder that becomes ``AML_APP_ROOT``; the entry script lies below it.
    entry_script : str
        Path of the entry script, relative to `root`.
    model_dir : Path
        Becomes ``AZUREML_MODEL_DIR``.
    environment : dict
        Variables for the process, besides those that Azure sets.
    program : str
        ``score`` (this kit's own host), ``azmlinfsrv`` (azureml-inference-server-http), or ``container`` (``score`` in
        a container of the local Docker engine).
    image : str or None
        For ``container``: an image with Python and what the host and the entry script need.
    options : tuple of str
        For ``container``: further options of ``docker run``.
    python : str
        Interpreter that runs the program.
    workers : int
        Processes that answer requests.
    hidden : Path or None
        File with the installed modules that the program must not find (see `fakes.hosting.guard`); not for containers.
    """

    root: Path
    entry_script: str
    model_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    program: str = SCORE
    python: str = sys.executable
    workers: int = 1
    image: str | None = None
    options: tuple[str, ...] = ()
    hidden: Path | None = None


@dataclass(frozen=True)
class Command:
    """How to start it.

    `port` is ``None`` when the program itself announces its port on standard output. `cleanup` is run when it ended: a
    container outlives the command that started it when that is killed.
    """

    argv: list[str]
    port: int | None
    cleanup: list[str] | None = None


def command(request: HostRequest) -> Command:
    """Return the command line for `request`.

    Raises
    ------
    HostMissing
        The program is not installed, or not known.
    """
    entry = request.root / request.entry_script
    if request.program == SCORE:
        argv = [request.python, *_guard(request), str(score_program())]
        argv += ["--entry-script", str(entry), "--model-dir", str(request.model_dir), "--root", str(request.root)]
        argv += ["--host", "127.0.0.1", "--port", "0"]
        if request.workers > 1:
            argv += ["--workers", str(request.workers)]
        return Command(argv, None)
    if request.program == INFERENCE_SERVER:
        beside = Path(request.python).with_name(INFERENCE_SERVER)
        found = str(beside) if beside.exists() else shutil.which(INFERENCE_SERVER)
        if found is None:
            raise HostMissing(
                "azureml-inference-server-http is not installed",
                hint=f"{request.python} -m pip install azureml-inference-server-http, or use the host 'score'",
            )
        port = free_port()
        argv = [request.python, *_guard(request), found] if request.hidden else [found]
        argv += ["--entry_script", str(entry), "--model_dir", str(request.model_dir), "--port", str(port)]
        return Command([*argv, "--worker_count", str(request.workers)], port)
    if request.program == CONTAINER:
        return _container(request)
    raise HostMissing(f"no host program is called {request.program!r}", hint="use 'score', 'azmlinfsrv' or 'container'")


def _guard(request: HostRequest) -> list[str]:
    return [] if request.hidden is None else [guard.__file__, str(request.hidden)]


def _container(request: HostRequest) -> Command:
    docker = shutil.which("docker")
    if docker is None:
        raise HostMissing("there is no docker command", hint="install Docker, or use the host 'score'")
    if not request.image:
        raise HostMissing("no image is named for containers", hint="set Webservices.host_image")
    port, name = free_port(), f"fakes-{uuid.uuid4().hex[:12]}"
    model_dir = f"{_APP}/{request.model_dir.relative_to(request.root)}"
    variables = {
        **request.environment,
        "AML_APP_ROOT": _APP,
        "AZUREML_MODEL_DIR": model_dir,
        "AZUREML_ENTRY_SCRIPT": request.entry_script,
        "PYTHONUNBUFFERED": "1",
    }
    argv = [docker, "run", "--rm", "--init", "--name", name, "--label", "fakes.host=1"]
    argv += ["--publish", f"127.0.0.1:{port}:5001", "--workdir", _APP, "--entrypoint", "python3"]
    argv += ["--volume", f"{request.root}:{_APP}:ro", "--volume", f"{score_program()}:{_HOST}:ro"]
    for key, value in variables.items():
        argv += ["--env", f"{key}={value}"]
    argv += [*request.options, request.image, _HOST, "--entry-script", f"{_APP}/{request.entry_script}"]
    argv += ["--model-dir", model_dir, "--root", _APP, "--host", "0.0.0.0", "--port", "5001"]  # noqa: S104
    return Command(argv, port, [docker, "rm", "--force", "--volumes", name])


def score_program() -> Path:
    """Return the folder of the ``score`` program.

    ``FAKES_SCORE_PROGRAM`` wins; then the copy that a wheel of ``fakes`` carries, then the one beside this package.
    """
    package = Path(__file__).resolve().parents[1]
    named = os.environ.get("FAKES_SCORE_PROGRAM")
    places = [Path(named)] if named else [package / "_score", package.parent / "score"]
    for place in places:
        if (place / "__main__.py").is_file():
            return place
    raise HostMissing(
        f"the program that hosts entry scripts is not in {' or '.join(str(place) for place in places)}",
        hint="set FAKES_SCORE_PROGRAM to its folder, or install azureml-inference-server-http and use 'azmlinfsrv'",
    )


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
