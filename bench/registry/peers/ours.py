"""This kit's registry of files."""

from __future__ import annotations

import json
from pathlib import Path

from registry.files.documents import encode
from registry.files.models import FileModelRegistry


class Peer:
    """``FileModelRegistry``."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        self.folder, self.artifact, self.middle = folder / "ours", artifact, 0
        self.registry = FileModelRegistry(self.folder)

    def prepare(self, count: int) -> None:
        """One real registration, and copies of its document under the other numbers."""
        self.registry.register("m", self.artifact, tags={"n": "1"}, metrics={"mse": 1.0})
        versions = self.folder / "models" / "m" / "versions"
        document = json.loads((versions / "1.json").read_text())
        for number in range(2, count + 1):
            copy = {**document, "version": number, "tags": {"n": str(number)}}
            (versions / f"{number}.json").write_bytes(encode(copy))
        (versions / ".last").unlink()
        self.registry = FileModelRegistry(self.folder)
        self.middle = count // 2
        self.registry.set_alias("m", "production", self.middle, who="bench", why="bench")
        assert self.registry.latest("m").version == count

    def register(self) -> None:
        self.registry.register("m", self.artifact, tags={"n": "x"}, metrics={"mse": 1.0})

    def latest(self) -> None:
        assert self.registry.latest("m").version >= self.middle

    def by_tag(self) -> None:
        (found,) = self.registry.versions("m", tags={"n": str(self.middle)})
        assert found.version == self.middle

    def by_alias(self) -> None:
        number = self.registry.alias("m", "production")
        assert number is not None
        assert self.registry.get("m", number).version == self.middle

    def list(self) -> None:
        assert len(list(self.registry.versions("m", limit=1000))) >= min(1000, self.middle)
