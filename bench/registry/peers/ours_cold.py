"""This kit's registry of files, opened anew for every call: what a new process pays, without the start of Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.registry.peers import ours
from registry.files.models import FileModelRegistry


class Peer(ours.Peer):
    """``FileModelRegistry`` without anything in memory."""

    def __init__(self, folder: Path, artifact: Path) -> None:
        super().__init__(folder / "cold", artifact)

    def prepare(self, count: int) -> None:
        super().prepare(count)
        for name in ("register", "latest", "by_tag", "by_alias", "list"):
            setattr(self, name, self._anew(getattr(self, name)))

    def _anew(self, call: Callable[[], None]) -> Callable[[], None]:
        def opened() -> None:
            self.registry = FileModelRegistry(self.folder)
            call()

        return opened
