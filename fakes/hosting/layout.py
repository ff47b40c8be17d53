"""Lay out the files of a deployed service as Azure does: the source at the root, models by name and version."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from fakes.hosting.errors import HostError

ARTIFACT_URL = re.compile(r"^aml://artifact/(?P<origin>[^/]+)/(?P<container>[^/]+)/(?P<path>.+)$")
MODELS = "azureml-models"


class Savable(Protocol):
    """The content of a file."""

    def save(self, path: Path, /) -> None:
        """Write it to `path`."""


ReadArtifacts = Callable[[str, str, str], Iterable[tuple[str, Savable]]]
"""``(origin, container, prefix) -> (path, content), ...``: the file of that path, or all files below it."""


@dataclass(frozen=True)
class ModelFiles:
    """One registered model: the addresses (``aml://artifact/...``) of its files."""

    name: str
    version: int
    urls: tuple[str, ...]
    unpack: bool = False


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Attributes
    ----------
    root : Path
        ``AML_APP_ROOT``.
    model_dir : Path
        ``AZUREML_MODEL_DIR``: the one model's own folder, or the folder of all models when there are several.
    entry_script : str
        Relative to `root`.
    """

    root: Path
    model_dir: Path
    entry_script: str


def lay_out(
    root: Path,
    request: dict[str, object],
    models: list[ModelFiles],
    read: ReadArtifacts,
) -> Layout:
    """Write a service's files below `root`.

    Parameters
    ----------
    root : Path
        A new, empty folder.
    request : dict
        The ``environmentImageRequest`` of the service.
    models : list of ModelFiles
        In the order of the request.
    read : callable
        How to read artifacts.

    Raises
    ------
    HostError
        An artifact is missing, or an archive has members that leave the folder.
    """
    assets = request.get("assets") or []
    if not isinstance(assets, list):
        raise HostError("environmentImageRequest.assets is not a list")
    for asset in assets:
        _place_asset(root, asset, read)
    all_models = root / MODELS
    all_models.mkdir()
    for model in models:
        _place_model(all_models / model.name / str(model.version), model, read)
    one = len(models) == 1
    model_dir = all_models / models[0].name / str(models[0].version) if one else all_models
    return Layout(root, model_dir, _entry_script(root, request))


def _entry_script(root: Path, request: dict[str, object]) -> str:
    """The user's script when the environment names it, else the driver that the SDK generated."""
    environment = request.get("environment")
    variables = environment.get("environmentVariables") if isinstance(environment, dict) else None
    named = variables.get("AZUREML_ENTRY_SCRIPT") if isinstance(variables, dict) else None
    for candidate in (named, request.get("driverProgram")):
        if isinstance(candidate, str) and candidate:
            inside(root, candidate)
            return candidate
    raise HostError("the request names no entry script", hint="pass entry_script to InferenceConfig")


def _place_asset(root: Path, asset: dict[str, object], read: ReadArtifacts) -> None:
    files = list(_artifact(str(asset.get("url")), read))
    for path, content in files:
        name = PurePosixPath(path).name
        target = inside(root, name)
        content.save(target)
        if asset.get("unpack"):
            unpack(target, root)
            target.unlink()


def _place_model(folder: Path, model: ModelFiles, read: ReadArtifacts) -> None:
    folder.mkdir(parents=True)
    for url in model.urls:
        match = ARTIFACT_URL.match(url)
        parent = PurePosixPath(match["path"].rstrip("/")).parent if match else PurePosixPath()
        for path, content in _artifact(url, read):
            target = inside(folder, str(PurePosixPath(path).relative_to(parent)))
            target.parent.mkdir(parents=True, exist_ok=True)
            content.save(target)
            if model.unpack:
                unpack(target, folder)
                target.unlink()


def _artifact(url: str, read: ReadArtifacts) -> Iterator[tuple[str, Savable]]:
    match = ARTIFACT_URL.match(url)
    if match is None:
        raise HostError(f"{url!r} is not the address of an artifact")
    found = False
    for found_path, content in read(match["origin"], match["container"], match["path"].rstrip("/")):
        found = True
        yield found_path, content
    if not found:
        raise HostError(f"there is no artifact {url}")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive; members or links that would leave `folder`, and devices, are refused."""
    try:
        with tarfile.open(archive) as opened:
            for member in opened.getmembers():
                if not (member.isfile() or member.isdir() or member.issym()):
                    raise HostError(f"{archive.name}: {member.name} is neither a file, a folder nor a symbolic link")
                target = inside(folder, member.name)
                if member.issym():
                    inside(folder, str(PurePosixPath(member.name).parent / member.linkname))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(member.linkname)
                    continue
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                source = opened.extractfile(member)
                if source is not None:
                    with source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink)
    except tarfile.TarError as error:
        raise HostError(f"{archive.name} is not a tar archive: {error}") from error


def inside(root: Path, name: str) -> Path:
    """Return ``root / name``, refusing whatever lies outside `root`."""
    if "\0" in name or name.startswith("/"):
        raise HostError(f"{name!r} is not a relative path")
    target = (root / name).resolve()
    if not target.is_relative_to(root.resolve()):
        raise HostError(f"{name!r} leaves the application folder")
    return target
