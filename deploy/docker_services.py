"""Services as containers of a Docker engine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deploy import http
from deploy.docker_engine import Engine, engine_errors
from deploy.docker_images import LABEL
from deploy.errors import DeployFailed, DeployTimeout, PackageRefused, StateUnavailable
from deploy.images import Image, PackageRequest, Progress
from deploy.local.files import write_json
from deploy.local.front import PORTS
from deploy.local.runners import Place, Runner
from deploy.local.services import LocalServices
from deploy.local.state import RevisionRecord

if TYPE_CHECKING:
    from docker.models.containers import Container

PORT = 5001
USER = 10001
"""The image's user. Where the command runs as an ordinary user, the container runs as that one, to read the keys."""
KEYS = "/run/keys"


class ContainerRunner(Runner):
    """Runs an image: read-only root, no capability, no new privileges, published on loopback only."""

    target = "docker"

    def __init__(self, root: Path, engine: Engine) -> None:
        self.engine = engine
        # Two projects may have services of one name.
        self.project = hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:8]

    def check(self) -> None:
        self.engine.check()

    def prepare(self, place: Place, package: PackageRequest, image: Image | None) -> None:
        if image is None:
            raise PackageRefused(
                f"a container of {package.model.reference} needs an image", hint="mlops package builds it"
            )
        if not self.engine.has_image(image.reference):
            raise PackageRefused(f"the image {image.reference} is not here", hint="mlops package builds it again")
        kept = place.folder / "model" / package.artifact.name
        try:
            kept.mkdir(parents=True)
            shutil.copyfile(package.artifact / "golden.json", kept / "golden.json")
        except OSError as error:
            raise StateUnavailable(f"cannot write {kept}: {error.strerror}", hint="free disk space") from error

    def start(self, place: Place, record: RevisionRecord, *, timeout: float, progress: Progress) -> int:
        deadline = time.monotonic() + timeout
        self._write_keys(place)
        with engine_errors():
            self._remove(place)
            container = self._create(place, record)
            container.start()
        progress(f"waiting for {record.model} to be ready")
        port = self._port(container)
        while True:
            with engine_errors():
                container.reload()
            state: dict[str, Any] = container.attrs["State"]
            if not state["Running"]:
                raise self._ended(place, record, state)
            if port is None:
                port = self._port(container)
            elif _is_ready(port):
                return port
            if time.monotonic() > deadline:
                raise DeployTimeout(
                    f"the container of {record.model} was not ready within {timeout:g} s",
                    phase="ready",
                    logs=self.logs(place, record, 20),
                )
            time.sleep(0.1)

    def alive(self, place: Place, record: RevisionRecord) -> bool:
        container = self._find(place)
        if container is None or not container.attrs["State"]["Running"]:
            return False
        return record.port is None or self._port(container) == record.port

    def stop(self, place: Place, record: RevisionRecord, *, grace: float = 10.0) -> None:
        container = self._find(place)
        if container is None:
            return
        from docker.errors import NotFound

        with engine_errors(), contextlib.suppress(NotFound):
            if container.attrs["State"]["Running"]:
                container.stop(timeout=max(1, int(grace)))
            # The container goes, its log stays: `logs` and the error of a failed deployment read it.
            (place.folder / "log.jsonl").write_bytes(container.logs(tail=2000))
            self._remove(place)

    def logs(self, place: Place, record: RevisionRecord, lines: int) -> str:
        if lines <= 0:
            return ""
        container = self._find(place)
        if container is not None:
            with engine_errors():
                text = container.logs(tail=lines).decode("utf-8", "replace")
        else:
            kept = place.folder / "log.jsonl"
            text = kept.read_text("utf-8", "replace") if kept.is_file() else ""
        return "\n".join(text.splitlines()[-lines:])

    def keys_changed(self, place: Place, record: RevisionRecord) -> None:
        self._write_keys(place)

    # ---- parts ----------------------------------------------------------------------------------------------------
    def name(self, place: Place) -> str:
        """The container's name."""
        return f"mlops-{self.project}-{place.service}-{place.folder.name}"

    def _create(self, place: Place, record: RevisionRecord) -> Container:
        from docker.errors import ImageNotFound

        memory = int((record.memory_gb or 1.0) * (1 << 30))
        image = record.image or ""
        try:
            return self.engine.client.containers.create(
                image,
                ["--keys-file", f"{KEYS}/keys.json"],
                name=self.name(place),
                labels={
                    f"{LABEL}.project": self.project,
                    f"{LABEL}.service": place.service,
                    f"{LABEL}.revision": place.folder.name,
                },
                environment=record.env,
                user=f"{USER}:{USER}" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}",
                read_only=True,
                tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},  # noqa: S108 (inside the container)
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=512,
                nano_cpus=int(record.cpu * 1e9) if record.cpu else None,
                mem_limit=memory,
                memswap_limit=memory,
                ports=cast("Any", {f"{PORT}/tcp": ("127.0.0.1",)}),
                volumes={str(place.folder / "keys"): {"bind": KEYS, "mode": "ro"}},
                log_config=cast("Any", {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}),
                restart_policy=cast("Any", {"Name": "no"}),
            )
        except ImageNotFound as error:
            raise DeployFailed(
                f"the image {image} is not here any more", phase="start", hint="deploy the version again"
            ) from error

    def _write_keys(self, place: Place) -> None:
        """Give the container's user, and nobody else, the keys."""
        folder = place.folder / "keys"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            write_json(folder / "keys.json", json.loads(place.keys_file.read_text(encoding="utf-8")))
            if os.getuid() == 0:
                for path in (folder, folder / "keys.json"):
                    os.chown(path, USER, USER)
        except OSError as error:
            raise StateUnavailable(f"cannot write {folder}: {error.strerror}", hint="free disk space") from error

    def _find(self, place: Place) -> Container | None:
        from docker.errors import NotFound

        with engine_errors():
            try:
                return self.engine.client.containers.get(self.name(place))
            except NotFound:
                return None

    def _remove(self, place: Place) -> None:
        from docker.errors import NotFound

        with engine_errors(), contextlib.suppress(NotFound):
            # v: volumes that the image may declare go with it.
            self.engine.client.containers.get(self.name(place)).remove(force=True, v=True)

    def _port(self, container: Container) -> int | None:
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{PORT}/tcp")
        return int(bindings[0]["HostPort"]) if bindings else None

    def _ended(self, place: Place, record: RevisionRecord, state: dict[str, Any]) -> DeployFailed:
        code = int(state["ExitCode"])
        why = "it ran out of memory" if state.get("OOMKilled") else f"exit code {code}"
        return DeployFailed(
            f"the container of {record.model} ended before it was ready ({why})",
            phase="start",
            exit_code=code,
            logs=self.logs(place, record, 20),
        )


class DockerServices(LocalServices):
    """All services of a project, each revision a container.

    Parameters
    ----------
    root : pathlib.Path
        Where they are kept (``.mlops/services``).
    engine : Engine, optional
    ports : range
        Where new services get their addresses.
    """

    def __init__(self, root: Path, engine: Engine | None = None, *, ports: range = PORTS) -> None:
        from deploy.process import ProcessRunner

        # Processes of the time before Docker answered are looked after too.
        super().__init__(root, [ContainerRunner(root, engine or Engine()), ProcessRunner()], ports=ports)


def _is_ready(port: int) -> bool:
    try:
        return http.call("GET", f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    except OSError:  # Docker's proxy accepts and breaks off while nothing listens behind it
        return False
