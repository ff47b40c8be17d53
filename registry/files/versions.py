"""Documents of model versions, their state, and moves of aliases: to and from JSON."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any

from registry.artifacts import Artifact
from registry.errors import Corrupt
from registry.files import content
from registry.files.documents import Reader, write_time
from registry.models import AliasMove, Lineage, ModelVersion


class Frozen(dict[str, Any]):
    """A dictionary that cannot be changed: what is read may be kept in memory and handed out again."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("what a registry gives back cannot be changed: make a copy with dict(...)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


_LINEAGE = {field.name for field in fields_of(Lineage)}


def version_document(name: str, number: int, artifact: Artifact, fields: dict[str, Any]) -> dict[str, Any]:
    """The document of a version. `fields`: the remaining fields of ``ModelVersion``."""
    lineage = {key: value for key, value in asdict(fields["lineage"]).items() if value is not None}
    return {
        "name": name,
        "version": number,
        **fields,
        **content.document(artifact),
        "created": write_time(fields["created"]),
        "lineage": lineage,
    }


def read_version(reader: Reader, name: str, number: int) -> tuple[ModelVersion, Artifact]:
    """Check and read the document of a version. Raises ``Corrupt`` if it is foreign or not well formed."""
    if reader.text("name") != name or reader.number("version") != number:
        raise Corrupt(
            f"{reader.where} says that it is {reader.text('name')}:{reader.number('version')}, not {name}:{number}"
        )
    artifact = content.read(reader)
    lineage = reader.table("lineage")
    for key, value in lineage.items():
        if key in _LINEAGE and not isinstance(value, bool if key == "git_dirty" else str):
            raise reader.bad("lineage")
    version = ModelVersion(
        name=name,
        version=number,
        digest=artifact.digest,
        size=artifact.size,
        created=reader.time("created"),
        description=reader.text("description", ""),
        metrics=Frozen(reader.numbers("metrics")),
        parameters=Frozen(reader.table("parameters")),
        tags=Frozen(reader.texts("tags")),
        properties=Frozen(reader.texts("properties")),
        lineage=Lineage(**{key: value for key, value in lineage.items() if key in _LINEAGE}),
    )
    return version, artifact


def state_document(
    name: str, number: int, *, tags: dict[str, str] | None = None, deleted: datetime | None = None
) -> dict[str, Any]:
    """The document of what may change: tags, or that the version is deleted."""
    return {
        "name": name,
        "version": number,
        "tags": tags or {},
        "deleted": write_time(deleted) if deleted else None,
    }


def read_state(reader: Reader, name: str, number: int) -> tuple[datetime | None, dict[str, str]]:
    """When the version was deleted (``None``: it is not), and its tags. Raises ``Corrupt``."""
    if reader.text("name") != name or reader.number("version") != number:
        raise Corrupt(f"{reader.where} belongs to another version")
    deleted = None if reader.document.get("deleted") is None else reader.time("deleted")
    return deleted, Frozen(reader.texts("tags"))


def read_move(reader: Reader, name: str, alias: str, number: int) -> AliasMove:
    """Check and read one entry of a promotion log. Raises ``Corrupt``."""
    move = AliasMove(
        name=reader.text("name"),
        alias=reader.text("alias"),
        sequence=reader.number("sequence"),
        when=reader.time("when"),
        from_version=reader.optional_number("from_version"),
        to_version=reader.optional_number("to_version"),
        who=reader.text("who"),
        why=reader.text("why"),
    )
    if (move.name.lower(), move.alias.lower(), move.sequence) != (name.lower(), alias.lower(), number):
        raise Corrupt(f"{reader.where} says that it is entry {move.sequence} of {move.name}@{move.alias}")
    return move


def move_document(move: AliasMove) -> dict[str, Any]:
    """The document of one entry of a promotion log."""
    return {**asdict(move), "when": write_time(move.when)}
