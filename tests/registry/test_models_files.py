"""The contract of model registries, for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.files.models import FileModelRegistry
from tests.contract.models import ModelRegistryContract, artifact, name, other

__all__ = ["artifact", "name", "other"]


@pytest.fixture
def registry(tmp_path: Path) -> FileModelRegistry:
    return FileModelRegistry(tmp_path / "store")


class TestFileModelRegistry(ModelRegistryContract):
    """Files."""
