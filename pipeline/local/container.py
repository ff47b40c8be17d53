"""Runs each step in a Docker container: the same code, the locked requirements, no network."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deploy.docker_engine import Engine, engine_errors
from deploy.docker_images import add
from deploy.errors import DeployFailed
from deploy.wheelhouse import wheelhouse
from pipeline import provenance
from pipeline.errors import PipelineError
from pipeline.local.executors import KEPT_LINES, Cancelled, Executor, Seams, Task, failure, write_order

if TYPE_CHECKING:
    from docker.models.containers import Container as DockerContainer

REPOSITORY = "mlops-steps"
DOCKERFILE = b"""\
ARG BASE
FROM ${BASE}
COPY requirements.txt /steps/requirements.txt
COPY wheels /steps/wheels
RUN python3 -m venv /opt/venv \\
    && /opt/venv/bin/python -m pip install --disable-pip-version-check --no-cache-dir --quiet --no-index \\
        --find-links /steps/wheels --require-hashes --no-deps --requirement /steps/requirements.txt
"""


class Container(Executor):
    """Runs steps in containers of this machine's Docker engine.

    The image holds the locked runtime requirements only and is built once a lock, without network. The project is
    mounted read-only and the state read-write, both at their own paths; the user is the caller's.

    Parameters
    ----------
    project, state, cache : Path
        The project, where the backend keeps its state, and where wheels are kept.
    env : mapping
        Variables that the step gets.
    base_image : str, optional
        Default: the official slim image of this Python.
    """

    def __init__(
        self,
        project: Path,
        state: Path,
        cache: Path,
        *,
        env: Mapping[str, str] | None = None,
        base_image: str | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.project = project.resolve()
        self.state = state.resolve()
        self.cache = cache
        self.env = dict(env or {})
        self.base_image = base_image
        self.engine = engine or Engine()

    def run(self, task: Task, seams: Seams) -> None:
        """Run the step in a container that is removed afterwards, whatever happens."""
        image = self.image(task.progress)
        order = write_order(task)
        command = ["/opt/venv/bin/python", "-m", "mlops", "step", "--project", str(self.project), "--order", str(order)]
        with engine_errors():
            container = self.engine.client.containers.create(
                image,
                command,
                working_dir=str(self.project),
                environment={
                    "HOME": "/tmp",  # noqa: S108 - the container's
                    "PYTHONDONTWRITEBYTECODE": "1",
                    **_numerics(),
                    **self.env,
                },
                user=f"{os.getuid()}:{os.getgid()}",
                volumes=self._volumes(task),
                network_mode="none",
                read_only=True,
                tmpfs={"/tmp": ""},  # noqa: S108 - the container's
                cap_drop=["ALL"],
                init=True,
                labels={"mlops.step": task.step.name, "mlops.run": task.run.id},
            )
        with removed(container):
            code, lines = self._follow(container, task)
        if code:
            raise failure(task, code, lines)

    def image(self, say: Callable[[str], None]) -> str:
        """The image with this interpreter's locked requirements, built if it is not there."""
        python = provenance.python_minor()
        lock = self.project / "requirements" / "locks" / f"runtime-{python}.txt"
        if not lock.is_file():
            raise PipelineError(f"there is no lock {lock}", hint="make lock")
        base = self.engine.base_image(self.base_image, python, say)
        with engine_errors():
            base_id = str(self.engine.client.images.get(base).id)
        digest = hashlib.sha256(lock.read_bytes() + DOCKERFILE + base_id.encode()).hexdigest()
        reference = f"{REPOSITORY}:{python}-{digest[:12]}"
        if not self.engine.has_image(reference):
            wheels = wheelhouse(lock, self.cache, python=python, machine=self.engine.machine(), progress=say)
            say(f"building {reference} for steps (once a lock)")
            self._build(reference, base, lock, wheels)
        return reference

    def _build(self, reference: str, base: str, lock: Path, wheels: Path) -> None:
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                self._context(archive, lock, wheels)
            file.seek(0)
            self._send(file, reference, base)

    def _context(self, archive: tarfile.TarFile, lock: Path, wheels: Path) -> None:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(DOCKERFILE)
        archive.addfile(entry, io.BytesIO(DOCKERFILE))
        add(archive, lock, "requirements.txt")
        add(archive, wheels, "wheels")

    def _send(self, file: IO[bytes], reference: str, base: str) -> None:
        with engine_errors():
            events = self.engine.client.api.build(
                fileobj=file,
                custom_context=True,
                tag=reference,
                rm=True,
                forcerm=True,
                network_mode="none",
                buildargs={"BASE": base},
                decode=True,
            )
            log = []
            for event in events:
                log.append(str(event.get("stream") or event.get("error") or "").strip())
                if "error" in event:
                    raise DeployFailed(
                        f"the image {reference} cannot be built: {log[-1]}", phase="build", logs="\n".join(log[-20:])
                    )

    def _volumes(self, task: Task) -> dict[str, dict[str, str]]:
        volumes = {str(self.project): {"bind": str(self.project), "mode": "ro"}}
        volumes[str(self.state)] = {"bind": str(self.state), "mode": "rw"}
        if task.config.data_path:
            data = str(Path(task.config.data_path).resolve())
            volumes.setdefault(data, {"bind": data, "mode": "ro"})
        return volumes

    def _follow(self, container: DockerContainer, task: Task) -> tuple[int, list[str]]:
        """Pass the container's lines on until it ends; its exit code and last lines."""
        lines: list[str] = []
        ended, cancelled = threading.Event(), threading.Event()

        def watch() -> None:
            while not ended.wait(0.2):
                if task.cancelled():
                    cancelled.set()
                    with suppress(Exception):  # it may have ended by itself
                        container.kill()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        with engine_errors():
            container.start()
            watcher.start()
            try:
                for line in _lines(container.logs(stream=True, follow=True)):
                    lines = [*lines[-KEPT_LINES + 1 :], line]
                    task.progress(line)
                code = int(container.wait()["StatusCode"])
            finally:
                ended.set()
                watcher.join()
        if cancelled.is_set():
            raise Cancelled
        return code, lines


def _lines(blocks: Any) -> Iterator[str]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace")


@contextmanager
def removed(container: DockerContainer) -> Iterator[None]:
    """Remove the container at the end, running or not."""
    try:
        yield
    finally:
        with suppress(Exception):  # what went wrong before is the error to show
            container.remove(force=True)


def _numerics() -> dict[str, str]:
    """Which kernels and how many threads the numeric libraries use here: with others the last digits differ."""
    return {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "OPENBLAS_"))}
