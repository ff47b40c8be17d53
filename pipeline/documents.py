"""Small dataclasses to JSON documents and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import PipelineError
from pipeline.files import replace_text

D = TypeVar("D", bound="Document")


class Document:
    """A dataclass of JSON values that is written to and read from files."""

    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_json(cls: type[D], document: Mapping[str, Any]) -> D:
        """Build from :meth:`to_json`; fields of a newer release are refused, missing ones take their defaults."""
        known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(document) - known)
        if unknown:
            raise PipelineError(f"{cls.__name__} has no field {', '.join(unknown)}", hint="written by a newer release?")
        try:
            return cls(**document)
        except TypeError as error:
            raise PipelineError(f"{cls.__name__} is incomplete: {error}") from error

    def write(self, path: Path) -> None:
        """Write as a JSON file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(self.to_json(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls: type[D], path: Path) -> D:
        """Read a JSON file. Raises ``PipelineError``."""
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise PipelineError(f"{path} is missing", hint="did the step that writes it run?") from None
        except (OSError, ValueError) as error:
            raise PipelineError(f"{path} is unreadable: {error}") from error
        return cls.from_json(document)
