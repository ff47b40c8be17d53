"""The Docker engine: finding it, its errors, base images."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deploy.errors import DeployFailed, EngineUnavailable, PackageRefused
from deploy.images import Progress

if TYPE_CHECKING:
    from docker import DockerClient

LOCAL_BASE = "mlops-python:{python}-slim"
"""What ``.ci/base-image`` makes where the official image cannot be had."""
OFFICIAL_BASE = "python:{python}-slim"
_HINT = "start Docker, or use local processes: --set services.target=process"


class Engine:
    """One Docker engine.

    Parameters
    ----------
    address : str, optional
        Such as ``unix:///var/run/docker.sock``; default: ``DOCKER_HOST``, else the current Docker context.
    timeout : float
        Seconds that one call to the engine may take.
    """

    def __init__(self, address: str | None = None, *, timeout: float = 60.0) -> None:
        self.address = address
        self.timeout = timeout

    @cached_property
    def client(self) -> DockerClient:
        """The client. Raises ``EngineUnavailable``."""
        with engine_errors():
            import docker

            address = self.address or os.environ.get("DOCKER_HOST")
            if address is None:
                with contextlib.suppress(Exception):  # damaged ~/.docker: the default socket may do
                    address = docker.ContextAPI.get_current_context().Host
            if self.address is None and os.environ.get("DOCKER_HOST"):
                return docker.from_env(timeout=int(self.timeout))
            return docker.DockerClient(base_url=address, timeout=int(self.timeout))

    def check(self) -> str:
        """The engine's version. Raises ``EngineUnavailable`` if it does not answer."""
        with engine_errors():
            return str(self.client.version()["Version"])

    def has_image(self, reference: str) -> bool:
        """Whether the engine holds an image."""
        from docker.errors import ImageNotFound

        with engine_errors():
            try:
                self.client.images.get(reference)
            except ImageNotFound:
                return False
            return True

    def base_image(self, wanted: str | None, python: str, progress: Progress | None = None) -> str:
        """The base image for a Python minor version, pulled if need be.

        The one wanted; else the official slim image; else the one that ``.ci/base-image`` makes, if it is here.

        Raises
        ------
        deploy.errors.EngineUnavailable
            None can be had.
        """
        candidates = [wanted] if wanted else [name.format(python=python) for name in (OFFICIAL_BASE, LOCAL_BASE)]
        for name in candidates:
            if self.has_image(name):
                return name
        if progress:
            progress(f"pulling the base image {candidates[0]}")
        try:
            with engine_errors():
                self.client.images.pull(*_split(candidates[0]))
        except (EngineUnavailable, DeployFailed) as error:
            raise EngineUnavailable(
                f"the base image {candidates[0]} cannot be had: {error}",
                hint="name one that is here with image.base (docker images lists them); "
                "on Debian, .ci/base-image makes one for Python 3.11",
            ) from error
        return candidates[0]

    def python_of(self, base: str) -> str:
        """The minor version of a base image's Python, found out by running it without network.

        Raises
        ------
        deploy.errors.PackageRefused
            It has no ``python3``.
        """
        from docker.errors import APIError

        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        refusal = PackageRefused(
            f"the base image {base} has no python3 that runs", hint="choose another one with image.base"
        )
        with engine_errors():
            container = self.client.containers.create(
                base, ["python3", "-I", "-c", code], entrypoint="", network_mode="none", user="10001"
            )
            try:
                container.start()
                if container.wait()["StatusCode"] != 0:
                    raise refusal
                return container.logs(stdout=True, stderr=False).decode().strip()
            except APIError as error:
                if "executable file not found" in str(error):
                    raise refusal from error
                raise
            finally:
                container.remove(force=True)

    def machine(self) -> str:
        """The engine's machine type, ``x86_64`` or ``aarch64``."""
        with engine_errors():
            return str(self.client.info()["Architecture"])


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Say what the engine's errors mean.

    Raises
    ------
    deploy.errors.EngineUnavailable
        It does not answer (or stopped answering), or the disk is full.
    deploy.errors.DeployFailed
        It refused the request.
    """
    try:
        import docker.errors
        import requests
        import urllib3
    except ImportError as error:
        raise EngineUnavailable("the Python package 'docker' is not installed", hint="make install") from error
    try:
        yield
    except docker.errors.APIError as error:
        reason = str(error.explanation or error)
        if "no space left on device" in reason:
            raise EngineUnavailable(f"Docker's disk is full: {reason}", hint="docker system prune") from error
        if "port is already allocated" in reason:
            raise DeployFailed(f"Docker cannot publish a port: {reason}", phase="start") from error
        if error.status_code is not None and error.status_code >= 500:
            raise EngineUnavailable(f"Docker failed: {reason}", hint="look at the log of the Docker engine") from error
        raise DeployFailed(f"Docker refused: {reason}", phase="build") from error
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineUnavailable(f"the Docker engine does not answer: {_why(error)}", hint=_HINT) from error


def _why(error: BaseException) -> str:
    text = str(error)
    for name in ("No such file or directory", "Connection refused", "Permission denied", "timed out"):
        if name.lower() in text.lower():
            return name
    return re.sub(r"\s+", " ", text)[:200] or type(error).__name__


def _split(reference: str) -> tuple[str, str | None]:
    from docker.utils import parse_repository_tag

    name, tag = parse_repository_tag(reference)
    return name, tag or "latest"


def labels_of(image: Any) -> dict[str, str]:
    """Labels of an image; none is an empty dict."""
    return dict((image.attrs.get("Config") or {}).get("Labels") or {})
