"""Reading data sets for jobs: which files a definition names, and where they go.

Only what is plain is read here: lists of files on blob datastores, with wildcards. Whatever else a definition asks
for (filters, partitions, columns, addresses outside Azure storage) makes the job fail with a clear message. Tabular
data sets are handed on by their id; the job's own engine reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import yaml

from fakes.executor import storage
from fakes.services.datasets.models import DatasetsBackend, definition_of

if TYPE_CHECKING:
    from fakes.core.state import State
    from fakes.core.tenancy import Workspace

_DATASTORE = re.compile(r"azureml://(?:.*/)?datastores/(?P<store>[^/]+)/paths/(?P<path>.*)", re.IGNORECASE)
_WILD = re.compile(r"[*?\[]")


class CannotRead(Exception):
    """The fake does not read such a data set; the message says what it is about it."""


@dataclass(frozen=True)
class Place:
    """A path, maybe with wildcards, on a datastore."""

    datastore: Mapping[str, Any]
    path: str

    @property
    def base(self) -> str:
        """The folder before the first wildcard (or the folder of the file): what names are relative to."""
        wild = _WILD.search(self.path)
        head = self.path[: wild.start()] if wild else self.path
        return head.rpartition("/")[0]

    @property
    def is_file(self) -> bool:
        """Whether it names exactly one file."""
        return not _WILD.search(self.path)


def saved_definition(state: State, workspace: Workspace, saved_id: str) -> tuple[str, dict[str, Any]]:
    """Type (``file``, ``tabular``) and MLTable document of a saved data set. Raises ``AzureError`` 404."""
    with state.lock:
        held = state.backend(DatasetsBackend).saved(workspace, saved_id)
        return str(held["datasetType"]), yaml.safe_load(definition_of(held["dataflowJson"])) or {}


def places(state: State, workspace: Workspace, definition: Mapping[str, Any]) -> list[Place]:
    """Where the files of a definition lie. Raises ``CannotRead``, ``AzureError`` 404 for a datastore."""
    found = []
    for item in definition.get("paths") or []:
        text = next((str(item[key]) for key in ("pattern", "file", "folder") if key in item), None)
        if text is None:
            raise CannotRead(f"a path of the data set is of a kind that the fake does not read: {item}")
        if "folder" in item and not _WILD.search(text):
            text = f"{text.rstrip('/')}/**"
        found.append(_place(state, workspace, text))
    return found


def _place(state: State, workspace: Workspace, text: str) -> Place:
    match = _DATASTORE.fullmatch(text)
    if match:
        return Place(storage.datastore_named(state, workspace, match.group("store")), match.group("path").lstrip("/"))
    parts = urlsplit(text)
    account, _, suffix = (parts.hostname or "").partition(".")
    if parts.scheme == "https" and suffix == "blob.core.windows.net":
        container, _, path = unquote(parts.path).lstrip("/").partition("/")
        section = {"accountName": account, "containerName": container}
        return Place({"name": account, "dataStoreType": "AzureBlob", "azureStorageSection": section}, path)
    raise CannotRead(f"the fake does not read {text}: it is not in Azure storage")


def matching(state: State, place: Place) -> list[str]:
    """Names of the blobs that a place means, sorted."""
    names = storage.names_below(state, place.datastore, place.path if place.is_file else place.base)
    pattern = re.compile(_expression(place.path))
    return [name for name in names if pattern.fullmatch(name)]


def _expression(path: str) -> str:
    """A regular expression for a path: ``*`` stays in its folder, ``**`` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", path)
    table = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(table.get(part, re.escape(part)) for part in parts)


def materialise(state: State, workspace: Workspace, saved_id: str, folder: Path) -> Path:
    """Write the files of a file data set below `folder`; gives the file itself when the data set is one file.

    Raises
    ------
    CannotRead
        It is tabular, it asks for more than files, or it names no file that exists.
    AzureError
        404: no such data set or datastore.
    """
    kind, definition = saved_definition(state, workspace, saved_id)
    if kind != "file":
        raise CannotRead(f"data set {saved_id} is {kind}: only file data sets can be mounted or downloaded")
    if definition.get("transformations"):
        raise CannotRead(
            f"data set {saved_id} transforms its files ({', '.join(_steps(definition))}); the fake only copies files"
        )
    found = places(state, workspace, definition)
    folder.mkdir(parents=True, exist_ok=True)
    last = folder
    for place in found:
        names = matching(state, place)
        if not names:
            raise CannotRead(f"no file matches {place.path} on datastore {place.datastore['name']}")
        for name in names:
            # As the native engine names them: several paths keep their whole names, below that of their datastore.
            relative = name[len(place.base) :].lstrip("/") if len(found) == 1 else f"{place.datastore['name']}/{name}"
            last = storage.below(folder, relative)
            storage.fetch(state, place.datastore, name, last)
    return last if len(found) == 1 and found[0].is_file else folder


def _steps(definition: Mapping[str, Any]) -> list[str]:
    return [str(next(iter(step))) if isinstance(step, Mapping) else str(step) for step in definition["transformations"]]


def file_definition(datastore_uri: str) -> str:
    """The MLTable document of a file data set that is a folder of a datastore."""
    return f'type: mltable\npaths:\n  - pattern: "{datastore_uri.rstrip("/")}/**"\n'
