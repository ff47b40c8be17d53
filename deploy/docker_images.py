"""Images built by a Docker engine: the same request gives the same content."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, cast

from deploy import content, locks
from deploy.content import assemble, check
from deploy.docker_engine import Engine, engine_errors, labels_of
from deploy.errors import DeployFailed, PackageRefused
from deploy.images import Image, ImageBuilder, PackageRequest, Progress, check_repository
from deploy.local.files import read_json, write_json
from deploy.packaging import check_loads, python_of
from deploy.wheelhouse import wheelhouse

LABEL = "io.github.mlops-kit"
"""Prefix of the labels that are not of the OCI specification."""
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


class DockerImageBuilder(ImageBuilder):
    """Builds with a Docker engine.

    Parameters
    ----------
    cache : pathlib.Path
        Where wheels are kept (``.mlops/cache``).
    engine : Engine, optional
    use_cache : bool
        ``False``: build even if the image is there, and reuse no layer.
    """

    def __init__(self, cache: Path, engine: Engine | None = None, *, use_cache: bool = True) -> None:
        self.cache = cache
        self.engine = engine or Engine()
        self.use_cache = use_cache

    def build(self, request: PackageRequest, *, progress: Progress | None = None) -> Image:
        say = progress or _silent
        check(request)
        locks.pins(request.lock)
        python = python_of(request)
        self.engine.check()
        base = self.engine.base_image(request.base_image, python, say)
        self._check_python(base, python)
        with tempfile.TemporaryFile() as file:
            self._context(request, python, say, file)
            digest = self._content(file, base, request)
            reference = f"{repository(request.model.name)}:{request.model.version}-{digest[:12]}"
            if self.use_cache and self.engine.has_image(reference):
                say(f"the image {reference} is there")
            else:
                check_loads(request, progress=say)
                say(f"building {reference} on {base}")
                self._build(file, reference, base, digest, request, say)
        return self._describe(reference, request)

    def push(self, image: Image, repository: str, *, progress: Progress | None = None) -> Image:
        say = progress or _silent
        check_repository(repository)
        _, _, tag = image.reference.rpartition(":")
        target = f"{repository}:{tag}"
        say(f"pushing {target}")
        digest = ""
        with engine_errors():
            self.engine.client.images.get(image.reference).tag(repository, tag)
            for event in self.engine.client.api.push(repository, tag, stream=True, decode=True):
                if "error" in event:
                    host = repository.split("/")[0]
                    raise DeployFailed(
                        f"{target} cannot be pushed: {event['error']}",
                        phase="push",
                        hint=f"does the registry answer, and are you signed in? docker login {host}",
                    )
                digest = (event.get("aux") or {}).get("Digest", digest)
        return Image(target, digest, image.model, image.model_digest, image.size)

    def context(self, request: PackageRequest, target: Path, *, progress: Progress | None = None) -> dict[str, str]:
        """Lay out the build context of `request` as a folder, for builders other than this one; its build arguments."""
        check(request)
        python = python_of(request)
        with tempfile.TemporaryFile() as file:
            self._context(request, python, progress or _silent, file)
            with tarfile.open(fileobj=file) as archive:
                archive.extractall(target, filter="data")
        return {"BASE": self.engine.base_image(request.base_image, python), **_arguments(request)}

    # ---- parts ----------------------------------------------------------------------------------------------------
    def _check_python(self, base: str, python: str) -> None:
        """Refuse a base image whose Python is not the model's. Raises ``PackageRefused``, which names both."""
        with engine_errors():
            identifier = str(self.engine.client.images.get(base).id)
        known = self.cache / "bases.json"
        found: dict[str, str] = read_json(known) or {}
        if identifier not in found:
            found[identifier] = self.engine.python_of(base)
            self.cache.mkdir(parents=True, exist_ok=True)
            write_json(known, found)
        if found[identifier] != python:
            raise PackageRefused(
                f"the model was made with Python {python}, and the base image {base} has Python {found[identifier]}",
                hint=f"choose a base image with Python {python} (image.base), or train the model again",
            )

    def _context(self, request: PackageRequest, python: str, say: Progress, file: IO[bytes]) -> None:
        """Write the build context: equal for equal content, whatever the times, owners and modes of the files here."""
        machine = self.engine.machine()
        wheels = wheelhouse(request.lock, self.cache, python=python, machine=machine, progress=say)
        with tempfile.TemporaryDirectory(prefix="mlops-context-") as name:
            folder = Path(name)
            assemble(request, folder)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                add(archive, content.KIT / "score" / "Dockerfile", "Dockerfile")
                add(archive, request.lock, "requirements.txt")
                for top in ("app", "host", "model"):
                    add(archive, folder / top, top)
                add(archive, wheels, "wheels")
        file.seek(0)

    def _content(self, file: IO[bytes], base: str, request: PackageRequest) -> str:
        """Digest of all that determines the image."""
        with engine_errors():
            base_id = str(self.engine.client.images.get(base).id)
        words = [base_id, *(f"{key}={value}" for key, value in sorted(_labels(request, base).items()))]
        words += [f"{key}={value}" for key, value in sorted(_arguments(request).items())]
        digest = hashlib.sha256("\n".join(words).encode())
        while block := file.read(1 << 20):
            digest.update(block)
        file.seek(0)
        return digest.hexdigest()

    def _build(
        self, file: IO[bytes], reference: str, base: str, digest: str, request: PackageRequest, say: Progress
    ) -> None:
        log: list[str] = []
        with engine_errors():
            events = self.engine.client.api.build(
                fileobj=file,
                custom_context=True,
                tag=reference,
                rm=True,
                forcerm=True,
                nocache=not self.use_cache,
                network_mode="none",
                pull=False,
                labels={**_labels(request, base), f"{LABEL}.content": f"sha256:{digest}"},
                buildargs={"BASE": base, **_arguments(request)},
                decode=True,
            )
            for event in cast("Iterator[dict[str, Any]]", events):
                line = str(event.get("stream") or event.get("error") or "").strip()
                if not line:
                    continue
                log.append(line)
                if line.startswith("Step ") and " : LABEL " not in line:
                    say(line if len(line) < 100 else f"{line[:100]}...")
                if "error" in event:
                    code = (event.get("errorDetail") or {}).get("code")
                    raise DeployFailed(
                        f"the image {reference} cannot be built: {line}",
                        phase="build",
                        exit_code=code,
                        logs="\n".join(log[-20:]),
                        hint="the log above is the build's; nothing that serves was touched",
                    )

    def _describe(self, reference: str, request: PackageRequest) -> Image:
        with engine_errors():
            image = self.engine.client.images.get(reference)
        if labels_of(image).get(f"{LABEL}.model.digest") != request.model.digest:
            raise PackageRefused(f"the image {reference} was made by something else", hint=f"docker rmi {reference}")
        return Image(
            reference, str(image.id), request.model.reference, request.model.digest, int(image.attrs.get("Size") or 0)
        )


def repository(model: str) -> str:
    """The image's name for a model's. Raises ``PackageRefused`` if there is none."""
    name = model.lower()
    if not _REPOSITORY.fullmatch(name):
        raise PackageRefused(
            f"the model name {model!r} cannot be an image's name",
            hint="register it under a name of letters, digits, and single dots, dashes or underscores between them",
        )
    return name


def add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file or folder with owner 0, time 0 and one of two modes, in sorted order."""
    entry = tarfile.TarInfo(name)
    if path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
        for item in sorted(path.iterdir()):
            add(archive, item, f"{name}/{item.name}")
        return
    data = path.read_bytes() if path.stat().st_size < 1 << 20 else None
    entry.mode, entry.size = 0o644, path.stat().st_size
    if data is not None:
        archive.addfile(entry, io.BytesIO(data))
        return
    with path.open("rb") as file:
        archive.addfile(entry, file)


def _arguments(request: PackageRequest) -> dict[str, str]:
    return {**request.build_args, "ENTRY_SCRIPT": request.entry_script.as_posix()}


def _labels(request: PackageRequest, base: str) -> dict[str, str]:
    """Labels (https://specs.opencontainers.org/image-spec/annotations/). All of them are facts about the model version,
    so that two builds of it have the same; the time is that of its registration."""
    model = request.model
    oci = "org.opencontainers.image"
    created = model.created.astimezone(timezone.utc) if model.created.tzinfo else model.created
    labels = {
        f"{oci}.title": model.name,
        f"{oci}.version": str(model.version),
        f"{oci}.created": _rfc3339(created),
        f"{oci}.description": model.description,
        f"{oci}.revision": model.lineage.git_revision or "",
        f"{oci}.base.name": base,
        f"{LABEL}.model.name": model.name,
        f"{LABEL}.model.version": str(model.version),
        f"{LABEL}.model.digest": model.digest,
    }
    return {key: value for key, value in labels.items() if value}


def _rfc3339(time: datetime) -> str:
    return time.replace(tzinfo=timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _silent(line: str) -> None:
    return None
