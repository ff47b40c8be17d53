"""Take an image out of the local Docker engine, so that it can be pulled from the faked registry."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from fakes.hosting.errors import HostError
from fakes.services.containerregistry.models import ContainerRegistry

if TYPE_CHECKING:
    from fakes.core.state import State


def push(state: State, image: str, folder: Path) -> tuple[str, int]:
    """Put an image of the engine into the registry that its name says; return digest and size of its manifest.

    Parameters
    ----------
    image
        ``REGISTRY.azurecr.io/NAME:TAG``, as the engine knows it.
    folder
        For the engine's archive, which is as large as the image.

    Raises
    ------
    HostError
        The engine does not give the image.
    """
    archive = folder / "image.tar"
    child = state.background.spawn(
        ["docker", "save", "--output", str(archive), image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said, _ = child.communicate()
    if child.returncode != 0:
        raise HostError(f"docker save failed: {said.strip() or 'it said nothing'}")
    backend, spool = state.backend(ContainerRegistry), state.spool
    with tarfile.open(archive) as opened:
        (entry,) = json.loads(_member(opened, "manifest.json"))
        config = _member(opened, entry["Config"])
        layers = []
        # A layer that is not compressed is known by the digest of its content.
        for name, digest in zip(entry["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
            if not backend.has(digest):
                source = opened.extractfile(name)
                if source is None:
                    raise HostError(f"docker save gave no layer {name}")
                digest = backend.add_blob(spool.take(source))
            layers.append(digest)
    archive.unlink()
    address, _, path = image.partition("/")
    name, _, tag = path.rpartition(":")
    return backend.add_image(address.partition(".")[0], name, tag, config, layers)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise HostError(f"docker save gave no {name}")
    return file.read()
