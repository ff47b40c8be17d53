"""A store with something in it, and the means to damage it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.files.models import FileModelRegistry
from tests.registry.sealed import reseal

WHO = {"who": "me", "why": "test"}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 3_000_000)
    (folder / "b.json").write_text("{}")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def registry(root: Path, artifact: Path) -> FileModelRegistry:
    """Three versions, one alias."""
    registry = FileModelRegistry(root)
    for number in range(1, 4):
        registry.register("m", artifact, tags={"n": str(number)})
    registry.set_alias("m", "qa", 3, **WHO)
    return registry


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a document, as somebody would who knows the format; ``None`` removes one."""
    path.write_bytes(reseal(path.read_bytes(), changes))
