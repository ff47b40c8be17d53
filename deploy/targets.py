"""Where local services run: containers where Docker answers and a base image can be had, else processes, and why."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.errors import DeployError, EngineUnavailable

if TYPE_CHECKING:
    from deploy.images import ImageBuilder, Progress
    from deploy.local.services import LocalServices

TARGETS = ("auto", "process", "docker")


@dataclass(frozen=True)
class Target:
    """The choice."""

    name: str
    """``process`` or ``docker``."""
    reason: str
    """One line for a person."""


def choose(
    wanted: str = "auto",
    *,
    python: str,
    base_image: str | None = None,
    lock: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Target:
    """Decide where services run.

    Parameters
    ----------
    wanted : str
        ``auto``, ``process`` or ``docker``.
    python : str
        Minor version that the base image must have, such as ``3.11``.
    base_image : str, optional
        The one that the settings name.
    lock, cache : pathlib.Path, optional
        With both given, ``auto`` also wants the lock's wheels to be at hand, or to be had.

    Raises
    ------
    deploy.errors.EngineUnavailable
        ``docker`` is wanted and cannot be used.
    """
    if wanted not in TARGETS:
        raise DeployError(f"{wanted!r} is no target for local services", hint=f"one of {', '.join(TARGETS)}")
    if wanted == "process":
        return Target("process", "services.target says process")
    from deploy.docker_engine import Engine

    engine = Engine()
    if wanted == "docker":
        return Target("docker", f"services.target says docker; engine {engine.check()}")
    try:
        version = engine.check()
        base = engine.base_image(base_image, python, progress)
        if lock is not None and cache is not None:
            from deploy.wheelhouse import wheelhouse

            wheelhouse(lock, cache, python=python, machine=engine.machine(), progress=progress)
    except EngineUnavailable as error:
        return Target("process", f"no containers, because {error}")
    return Target("docker", f"Docker {version} answers, base image {base}")


class LocalTarget:
    """The choice, made when it is first needed, and the adapters that follow from it."""

    def __init__(
        self,
        state: Path,
        *,
        wanted: str,
        python: str,
        base_image: str | None = None,
        lock: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._state = state
        self._wanted = wanted
        self._python = python
        self._base_image = base_image
        self._lock = lock
        self._progress = progress

    @cached_property
    def choice(self) -> Target:
        """Where services run. Raises ``EngineUnavailable`` if Docker is wanted and cannot be used."""
        return choose(
            self._wanted,
            python=self._python,
            base_image=self._base_image,
            lock=self._lock,
            cache=self._state / "cache",
            progress=self._progress,
        )

    def services(self) -> LocalServices:
        """All services; what runs already is looked after whatever the choice is."""
        from deploy.docker_engine import Engine
        from deploy.docker_services import ContainerRunner
        from deploy.local.services import LocalServices
        from deploy.process import ProcessRunner

        root = self._state / "services"
        return LocalServices(root, [ProcessRunner(), ContainerRunner(root, Engine())], target=lambda: self.choice.name)

    def images(self) -> ImageBuilder | None:
        """The builder; ``None`` where services are processes, which need no image."""
        if self.choice.name == "process":
            return None
        from deploy.docker_images import DockerImageBuilder

        return DockerImageBuilder(self._state / "cache")
