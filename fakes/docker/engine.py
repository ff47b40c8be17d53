"""The mocked engine: images, containers, a registry, faults. No HTTP."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fakes.core.folders import new_folder
from fakes.docker.containers import Container
from fakes.docker.dockerfile import Build, BuildFailed, Stage

API_VERSION = "1.41"


class EngineError(Exception):
    """An error answer of the engine's API: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Image:
    """One image and its files."""

    id: str
    root: Path
    tags: list[str]
    labels: dict[str, str] = field(default_factory=dict)
    env: list[str] = field(default_factory=list)
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    workdir: str = ""
    user: str = ""
    ports: list[str] = field(default_factory=list)
    size: int = 0
    created: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat())

    def inspect(self) -> dict[str, Any]:
        """Return what ``GET /images/NAME/json`` answers."""
        return {
            "Id": self.id,
            "RepoTags": self.tags,
            "RepoDigests": [],
            "Created": self.created,
            "Size": self.size,
            "Architecture": _architecture(),
            "Os": "linux",
            "Config": {
                "Env": self.env,
                "Cmd": self.command,
                "Entrypoint": self.entrypoint,
                "WorkingDir": self.workdir,
                "User": self.user,
                "Labels": self.labels or None,
                "ExposedPorts": {port: {} for port in self.ports} or None,
            },
        }

    def summary(self) -> dict[str, Any]:
        """Return what the list of images says of it."""
        return {
            "Id": self.id,
            "RepoTags": self.tags,
            "Labels": self.labels or None,
            "Size": self.size,
            "Created": int(datetime.fromisoformat(self.created).timestamp()),
        }


@dataclass
class Fault:
    """One rule: calls that match answer with an error."""

    operation: str
    status: int
    message: str
    times: int | None = 1


class MockEngine:
    """What a mocked Docker engine holds.

    Attributes
    ----------
    address : str
        ``unix://`` address of its socket.
    registry : set of str
        Image names that can be pulled; official Python images are there from the start.
    pushed : dict
        Digest by name of what was pushed.
    calls : collections.Counter
        How often each operation was called.
    """

    def __init__(self) -> None:
        self.address = ""
        self.lock = threading.RLock()
        self.folder = new_folder("docker")
        self.registry = {f"python:3.{minor}-slim" for minor in range(10, 14)}
        self.refuse_push: set[str] = set()
        self.pushed: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.images: dict[str, Image] = {}
        self.containers: dict[str, Container] = {}
        self._faults: list[Fault] = []
        self._numbers = 0

    # Faults

    def fail(self, operation: str, message: str, *, status: int = 500, times: int | None = 1) -> None:
        """Let the next calls whose operation matches (``ContainerStart``, ``Image*``) answer with an error."""
        with self.lock:
            self._faults.append(Fault(operation, status, message, times))

    def note(self, operation: str) -> None:
        """Count a call. Raises `EngineError` when a fault hits it."""
        with self.lock:
            self.calls[operation] += 1
            for fault in self._faults:
                if fault.times != 0 and fnmatch.fnmatchcase(operation, fault.operation):
                    if fault.times is not None:
                        fault.times -= 1
                    raise EngineError(fault.status, fault.message)

    # Images

    def add_base(self, name: str) -> Image:
        """Add an image without files, as a base."""
        root = self._folder("image")
        image = Image(
            f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",
            root,
            [name],
            command=["python3"],
            env=["PATH=/usr/bin"],
        )
        with self.lock:
            self.images.setdefault(image.id, image)
        return image

    def image(self, name: str) -> Image:
        """Return an image by name or id; 404 as the engine words it."""
        wanted = name if ":" in name.rpartition("/")[2] or name.startswith("sha256:") else f"{name}:latest"
        with self.lock:
            for image in self.images.values():
                if wanted in image.tags or image.id == name or image.id.removeprefix("sha256:").startswith(name):
                    return image
        raise EngineError(404, f"No such image: {wanted}")

    def pull(self, name: str, tag: str) -> Iterator[dict[str, Any]]:
        """Pull an image; an unknown one is an error of the stream's start."""
        reference = f"{name}:{tag or 'latest'}"
        if reference not in self.registry:
            raise EngineError(404, f"manifest for {reference} not found: manifest unknown: manifest unknown")
        image = self.add_base(reference)
        return iter([{"status": f"Pulling from {name}", "id": tag}, {"status": f"Digest: {image.id}"}])

    def tag(self, name: str, repository: str, tag: str) -> None:
        """Give an image another name; it is taken away from what had it."""
        image, reference = self.image(name), f"{repository}:{tag or 'latest'}"
        with self.lock:
            for other in self.images.values():
                if reference in other.tags:
                    other.tags.remove(reference)
            image.tags.append(reference)

    def push(self, name: str, tag: str) -> Iterator[dict[str, Any]]:
        """Push an image to the registry that its name says."""
        reference = f"{name}:{tag or 'latest'}"
        image = self.image(reference)
        host = name.split("/")[0]
        if host in self.refuse_push:
            return iter(
                [{"error": f"Get https://{host}/v2/: connection refused", "errorDetail": {"message": "refused"}}]
            )
        digest = f"sha256:{hashlib.sha256((image.id + 'manifest').encode()).hexdigest()}"
        self.pushed[reference] = digest
        return iter([{"status": "Pushed"}, {"aux": {"Tag": tag, "Digest": digest, "Size": image.size}}])

    def remove_image(self, name: str, force: bool) -> list[dict[str, str]]:
        """Untag an image; with its last name it goes."""
        image = self.image(name)
        with self.lock:
            users = [c for c in self.containers.values() if c.image == image.id]
            if users and not force:
                raise EngineError(409, f"conflict: unable to remove repository reference {name} (must force)")
            if name in image.tags and len(image.tags) > 1:
                image.tags.remove(name)
                return [{"Untagged": name}]
            del self.images[image.id]
        if not users:
            shutil.rmtree(image.root, ignore_errors=True)
        return [{"Untagged": name}, {"Deleted": image.id}]

    def build(self, archive: bytes, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Build an image of a context; yields the events that the engine streams."""
        context, work = self._folder("context"), self._folder("build")
        lines: list[str] = []
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
                _unpack(opened, context)
            recipe = context / (query.get("dockerfile") or "Dockerfile")
            if not recipe.is_file():
                raise EngineError(500, f"Cannot locate specified Dockerfile: {recipe.name}")
            build = Build(context, work, json.loads(query.get("buildargs") or "{}"), self._base, lines.append)
            stage = build.run(recipe.read_text(encoding="utf-8"))
            image = self._finish(stage, json.loads(query.get("labels") or "{}"), query.get("t"))
        except tarfile.TarError as error:
            raise EngineError(400, f"Error processing tar file: {error}") from error
        except BuildFailed as failed:
            yield from ({"stream": line} for line in lines)
            yield {"errorDetail": {"code": 1, "message": str(failed)}, "error": str(failed)}
            return
        finally:
            shutil.rmtree(context, ignore_errors=True)
        yield from ({"stream": line} for line in lines)
        yield {"aux": {"ID": image.id}}
        yield {"stream": f"Successfully built {image.id[7:19]}\n"}
        if query.get("t"):
            yield {"stream": f"Successfully tagged {query['t']}\n"}

    def _base(self, name: str, root: Path) -> Stage:
        try:
            image = self.image(name)
        except EngineError as error:
            raise BuildFailed(f"pull access denied for {name}, repository does not exist") from error
        shutil.copytree(image.root, root, dirs_exist_ok=True)
        env = dict(item.partition("=")[::2] for item in image.env)
        return Stage(root, name, env, dict(image.labels), image.entrypoint, image.command, image.workdir or "/",
                     image.user, list(image.ports))  # fmt: skip

    def _finish(self, stage: Stage, labels: dict[str, str], tag: str | None) -> Image:
        digest, size = hashlib.sha256(), 0
        for path in sorted(p for p in stage.root.rglob("*") if p.is_file()):
            data = path.read_bytes()
            size += len(data)
            digest.update(f"{path.relative_to(stage.root)}\0".encode() + data)
        settings = [stage.base, stage.env, {**stage.labels, **labels}, stage.entrypoint, stage.command, stage.workdir]
        digest.update(json.dumps(settings, sort_keys=True).encode())
        image = Image(
            id=f"sha256:{digest.hexdigest()}",
            root=stage.root,
            tags=[],
            labels={**stage.labels, **labels},
            env=[f"{name}={value}" for name, value in stage.env.items()],
            entrypoint=stage.entrypoint,
            command=stage.command,
            workdir=stage.workdir,
            user=stage.user,
            ports=stage.ports,
            size=size,
        )
        with self.lock:
            image = self.images.setdefault(image.id, image)
            if tag:
                name, _, label = tag.rpartition(":") if ":" in tag.rpartition("/")[2] else (tag, "", "latest")
                self.tag(image.id, name, label)
        return image

    # Containers

    def create(self, name: str | None, body: dict[str, Any]) -> Container:
        """Create a container; its settings are the image's unless the request gives them."""
        image = self.image(str(body.get("Image")))
        with self.lock:
            self._numbers += 1
            container_id = hashlib.sha256(f"{self.folder}{self._numbers}".encode()).hexdigest()
            name = name or f"container_{self._numbers}"
            if any(c.name == name for c in self.containers.values()):
                raise EngineError(409, f'Conflict. The container name "/{name}" is already in use')
            config = dict(body)
            entrypoint = body.get("Entrypoint")
            if entrypoint is None:
                config["Entrypoint"] = image.entrypoint
                config["Cmd"] = body.get("Cmd") or image.command
            elif entrypoint in ([], [""], ""):
                config["Entrypoint"] = None
            config["Env"] = [*image.env, *(body.get("Env") or [])]
            config["WorkingDir"] = body.get("WorkingDir") or image.workdir
            config["User"] = body.get("User") or image.user
            config["Labels"] = {**image.labels, **(body.get("Labels") or {})}
            config["ExposedPorts"] = {**{port: {} for port in image.ports}, **(body.get("ExposedPorts") or {})}
            container = Container(container_id, name, image.id, image.root, config)
            self.containers[container_id] = container
            return container

    def container(self, name: str) -> Container:
        """Return a container by name or id; 404 as the engine words it."""
        with self.lock:
            for container in self.containers.values():
                if name in (container.name, container.id) or (len(name) >= 12 and container.id.startswith(name)):
                    return container
        raise EngineError(404, f"No such container: {name}")

    def start(self, name: str) -> None:
        """Start a container."""
        container = self.container(name)
        try:
            container.start()
        except OSError as error:
            container.exit_code, container.error = 127, str(error)
            if "port is already allocated" in str(error):
                raise EngineError(500, f"driver failed programming external connectivity: {error}") from error
            raise EngineError(400, f"failed to create shim: executable file not found: {error}") from error

    def remove(self, name: str, force: bool) -> None:
        """Remove a container."""
        container = self.container(name)
        if container.running:
            if not force:
                raise EngineError(
                    409, f"You cannot remove a running container {container.id}. Stop the container before removing it"
                )
            container.kill()
        with self.lock:
            self.containers.pop(container.id, None)

    def close(self) -> None:
        """Kill every container and remove every file."""
        for container in list(self.containers.values()):
            container.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _folder(self, kind: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.folder))

    def info(self) -> dict[str, Any]:
        """Return what ``GET /info`` answers."""
        return {
            "ID": "MOCK",
            "Name": "mock",
            "ServerVersion": "20.10.0-mock",
            "Architecture": platform.machine(),
            "OSType": "linux",
            "Images": len(self.images),
            "Containers": len(self.containers),
            "NCPU": 2,
        }


Say = Callable[[str], None]


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _unpack(archive: tarfile.TarFile, target: Path) -> None:
    for member in archive.getmembers():
        place = (target / member.name).resolve()
        if not place.is_relative_to(target.resolve()):
            raise EngineError(400, f"invalid path in the build context: {member.name}")
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
        elif member.isfile():
            place.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            if source is not None:
                with source, place.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                place.chmod(member.mode & 0o777 | 0o600)


PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
