"""What is kept about one local service: ``.mlops/services/<name>/``.

======================  ===========================================================================
``service.json``        the truth: address, revisions and their shares of traffic
``keys.json``           both keys, mode 600
``deploy.lock``         held by the deployment under way
``gateway.*``           lock, address and log of the gateway
``revisions/<id>/``     what a revision runs (``app/``, ``host/``, ``model/``) and its log
======================  ===========================================================================
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.errors import Invalid, ServiceNotFound, StateUnavailable
from deploy.local.files import read_json, write_json
from deploy.services import Keys

SCHEMA_VERSION = 1
STARTING, SERVING, DRAINING = "starting", "serving", "draining"
_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){1,30}[a-z0-9]")


@dataclass
class RevisionRecord:
    """One revision, as written down."""

    id: str
    target: str
    model: str
    model_digest: str
    image: str | None
    created: str
    entry_script: str
    env: dict[str, str] = field(default_factory=dict)
    cpu: float | None = None
    memory_gb: float | None = None
    traffic: int = 0
    phase: str = STARTING
    port: int | None = None


@dataclass
class ServiceRecord:
    """One service, as written down."""

    name: str
    stage: str
    target: str
    created: str
    port: int | None = None
    next_revision: int = 1
    generation: int = 0
    """Counts the writes; the gateway says which one it follows."""
    stopped: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    revisions: list[RevisionRecord] = field(default_factory=list)

    def revision(self, revision: str) -> RevisionRecord:
        """Find a revision by id. Raises ``ServiceNotFound``."""
        for record in self.revisions:
            if record.id == revision:
                return record
        known = ", ".join(record.id for record in self.revisions) or "none"
        raise ServiceNotFound(
            f"service {self.name!r} has no revision {revision!r} (it has: {known})",
            hint=f"mlops services show {self.name}",
        )

    def main(self) -> RevisionRecord | None:
        """The revision with the most traffic, the newest of equals."""
        serving = [record for record in self.revisions if record.phase == SERVING]
        return max(reversed(serving), key=lambda record: record.traffic, default=None)


def check_name(name: str) -> None:
    """Refuse a service name that Azure would refuse too.

    Raises
    ------
    deploy.errors.Invalid
        Not 3 to 32 lower-case letters, digits and single inner dashes, beginning with a letter.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name for a service",
            hint="3 to 32 lower-case letters, digits and single dashes, beginning with a letter",
        )


class ServiceFolder:
    """The files of one service."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.path = root / name
        self.document = self.path / "service.json"
        self.keys_file = self.path / "keys.json"
        self.deploy_lock = self.path / "deploy.lock"
        self.gateway_lock = self.path / "gateway.lock"
        self.gateway_log = self.path / "gateway.log"

    def revision(self, revision: str) -> Path:
        """The folder of a revision."""
        return self.path / "revisions" / revision

    def revision_folders(self) -> list[str]:
        """Ids of all revision folders, recorded or not."""
        folder = self.path / "revisions"
        return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []

    def create(self) -> None:
        """Make the folder, for this user only."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise StateUnavailable(
                f"cannot make {self.path}: {error.strerror}", hint="mend the permissions of .mlops/services/"
            ) from error

    def read(self) -> ServiceRecord:
        """Read the record. Raises ``ServiceNotFound``, ``DeployError``."""
        document = read_json(self.document)
        if document is None:
            raise ServiceNotFound(f"there is no service {self.name!r}", hint="mlops services list")
        return _record(document, self.document)

    def write(self, record: ServiceRecord) -> None:
        """Write the record; whole or not at all."""
        record.generation += 1
        write_json(self.document, {"schema_version": SCHEMA_VERSION, **asdict(record)})

    def keys(self) -> Keys:
        """Both keys, made when there are none."""
        document = read_json(self.keys_file)
        if document is None:
            return self.write_keys(Keys(new_key(), new_key()))
        return Keys(primary=str(document["primary"]), secondary=str(document["secondary"]))

    def write_keys(self, keys: Keys) -> Keys:
        """Replace the keys file; hosts that run read it again by themselves."""
        write_json(self.keys_file, {"primary": keys.primary, "secondary": keys.secondary})
        return keys

    def remove_revision(self, revision: str) -> None:
        """Remove what a revision ran."""
        shutil.rmtree(self.revision(revision), ignore_errors=True)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)


def new_key() -> str:
    """A key of 32 characters, as long as Azure's."""
    return secrets.token_urlsafe(24)


def folders(root: Path) -> Iterator[ServiceFolder]:
    """The services below `root`, by name."""
    if root.is_dir():
        for path in sorted(root.iterdir()):
            if (path / "service.json").is_file():
                yield ServiceFolder(root, path.name)


def _record(document: Mapping[str, Any], path: Path) -> ServiceRecord:
    schema = document.get("schema_version")
    if not isinstance(schema, int) or schema > SCHEMA_VERSION:
        raise Invalid(
            f"{path} was written by a newer release of this kit (schema {schema}, known: {SCHEMA_VERSION})",
            hint="update the kit",
        )
    values = {key: value for key, value in document.items() if key != "schema_version"}
    try:
        revisions = [RevisionRecord(**item) for item in values.pop("revisions")]
        return ServiceRecord(revisions=revisions, **values)
    except (KeyError, TypeError) as error:
        raise Invalid(f"{path} is damaged: {error}", hint=f"look at {path}, or remove its folder") from error
